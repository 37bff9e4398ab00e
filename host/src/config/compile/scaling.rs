//! How many endpoints there are to be, and what makes them.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Origin, Problems, Reported};
use super::super::sources::{ContainerTemplate, DriverSpec, ProcessTemplate, Scaling};
use super::{Surroundings, check, one_of, sources};

/// Who makes the nodes, by its name.
#[derive(Clone, Copy)]
enum Kind {
    Process,
    Docker,
}

/// Compiles `scaling`.
pub(super) fn compile(
    file: file::Scaling,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Scaling, Reported> {
    let counts = counts(&file, at, problems);
    // Where the counts are not known, the ports are checked for one node.
    let most = counts.map_or(NonZeroU32::MIN, |(_, _, most)| most);
    let check_at = at.key("check");
    let path = file.check.path.as_deref().unwrap_or(defaults::NODE_CHECK_PATH);
    let path = check::path(Some(path), &check_at.key("path"), problems);
    let usual = (defaults::NODE_CHECK_INTERVAL, defaults::NODE_CHECK_TIMEOUT);
    let timing = check::timing((file.check.interval, file.check.timeout), usual, &check_at, problems);
    let driver = driver(&file, at, (most, around), problems);
    let ((count, least, most), (check_interval, check_timeout)) = (counts?, timing?);
    Ok(Scaling {
        count,
        least,
        most,
        cooldown: file.cooldown.map_or(defaults::SCALING_COOLDOWN, |period| period.0),
        check_path: path?,
        check_interval,
        check_timeout,
        replace_after: file.replace_after.map_or(defaults::REPLACE_AFTER, |period| period.0),
        driver: driver?,
    })
}

/// How many there are to be, and may be at the least and at the most. Of the bounds, those that are not said give way.
fn counts(file: &file::Scaling, at: &At, problems: &mut Problems<'_>) -> Result<(u32, u32, NonZeroU32), Reported> {
    let count = problems.required(file.count, &at.key("count"), "say how many there are to be: count = 3")?.get();
    let least = file.least.map_or(defaults::LEAST_NODES.min(count), |least| least.get());
    let most = file.most.map_or(defaults::MOST_NODES.max(count), |most| most.get());
    if least > most {
        return Err(problems.report(&at.key("least"), format!("{least} is more than `most`, which is {most}")));
    }
    if !(least..=most).contains(&count) {
        let message = format!("{count} is not from `least` to `most`, which are {least} and {most}");
        return Err(problems.report(&at.key("count"), message));
    }
    // The file's type holds 1 and more, so the least never comes of it.
    Ok((count, least, NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN)))
}

fn driver(
    file: &file::Scaling,
    at: &At,
    (most, around): (NonZeroU32, Surroundings<'_>),
    problems: &mut Problems<'_>,
) -> Result<DriverSpec, Reported> {
    let kinds = [("process", Kind::Process), ("docker", Kind::Docker)];
    let kind = match &file.driver {
        None => problems.spoiled(&at.key("driver")).map_or(Ok(Kind::Process), Err),
        Some(text) => one_of(&kinds, text, &at.key("driver"), problems),
    }?;
    let (driver, other, other_is_there) = match kind {
        Kind::Process => ("process", "docker", file.docker.is_some()),
        Kind::Docker => ("docker", "process", file.process.is_some()),
    };
    let alone = if other_is_there {
        let message = format!("the nodes are made by `{driver}`");
        let advice = format!("take it out, or say driver = \"{other}\"");
        Err(problems.advise(&at.key(other), message, advice))
    } else {
        Ok(())
    };
    let at = at.key(driver);
    let made = match kind {
        Kind::Process => {
            let none = file::Process::default();
            process(file.process.as_ref().unwrap_or(&none), &at, (most, around), problems).map(DriverSpec::Process)
        }
        Kind::Docker => {
            let none = file::Container::default();
            container(file.docker.as_ref().unwrap_or(&none), &at, (most, around), problems).map(DriverSpec::Docker)
        }
    };
    alone.and(made)
}

fn process(
    file: &file::Process,
    at: &At,
    (most, around): (NonZeroU32, Surroundings<'_>),
    problems: &mut Problems<'_>,
) -> Result<ProcessTemplate, Reported> {
    let base_port = file.base_port.map(|port| first_port(port, most, &at.key("base_port"), problems)).transpose();
    Ok(ProcessTemplate {
        base_port: base_port?,
        average_delay: file.average_delay.map_or(Duration::ZERO, |period| period.0),
        failure_percent: file.failure_percent.map_or(0, |percent| percent.percent()),
        statistics: file.statistics.as_ref().map(|path| around.folder.join(path)),
    })
}

fn container(
    file: &file::Container,
    at: &At,
    (most, around): (NonZeroU32, Surroundings<'_>),
    problems: &mut Problems<'_>,
) -> Result<ContainerTemplate, Reported> {
    let engine = sources::engine(file.engine.as_deref(), at, around.overrides, problems);
    let image = file.image.clone().filter(|image| !image.is_empty());
    let image = problems.required(image, &at.key("image"), "say what they are made of: image = \"NAME:TAG\"");
    let network = file.network.as_deref();
    let network = network.map(|text| sources::network(text, &Origin::File(at.key("network")), problems)).transpose();
    let port = problems.required(file.port, &at.key("port"), "say where they listen: port = 8080");
    let environment = environment(&file.environment, &at.key("environment"), problems);
    let publish = publish(&file.publish, most, &at.key("publish"), problems);
    Ok(ContainerTemplate {
        engine: engine?,
        image: image?,
        command: file.command.clone(),
        network: network?,
        // The file's type holds 1 and more, so the least never comes of it.
        port: NonZeroU16::new(port?.short()).unwrap_or(NonZeroU16::MIN),
        environment: environment?,
        labels: file.labels.clone(),
        publish: publish?,
    })
}

fn environment(
    file: &BTreeMap<String, String>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<BTreeMap<String, String>, Reported> {
    let mut sound = Ok(());
    for (name, value) in file {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            sound = Err(problems.report(&at.key(name), "this is no variable of an environment"));
        }
    }
    sound.map(|()| file.clone())
}

/// The container ports, each with the host port of the first container.
fn publish(
    file: &BTreeMap<String, file::Port>,
    most: NonZeroU32,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<BTreeMap<NonZeroU16, NonZeroU16>, Reported> {
    let mut taken: Vec<(RangeInclusive<u32>, &str)> = Vec::new();
    let mut published = Vec::new();
    for (inside, outside) in file {
        let at = at.key(inside);
        let advice = "the container's port, and that of the host, as in { \"8080\" = 18080 }";
        let inside_port = inside.parse::<NonZeroU16>();
        let inside_port = inside_port.map_err(|_| problems.advise(&at, format!("`{inside}` is no port"), advice));
        let ports = outside.get()..=outside.get() + (most.get() - 1);
        let theirs = taken.iter().find(|(theirs, _)| theirs.start() <= ports.end() && ports.start() <= theirs.end());
        let apart = match theirs {
            Some((theirs, other)) => {
                let (first, last) = theirs.clone().into_inner();
                let message =
                    format!("`{other}` takes the ports {first} to {last}, one for each node that there may be");
                Err(problems.report(&at, message))
            }
            None => Ok(()),
        };
        let outside = first_port(*outside, most, &at, problems);
        taken.push((ports, inside));
        published.push(apart.and_then(|()| Ok((inside_port?, outside?))));
    }
    published.into_iter().collect()
}

/// The port of the first node, where each node that there may be has the next one.
fn first_port(
    port: file::Port,
    most: NonZeroU32,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<NonZeroU16, Reported> {
    match NonZeroU16::new(port.short()) {
        Some(first) if port.get() + (most.get() - 1) <= u32::from(u16::MAX) => Ok(first),
        _ => {
            let message = format!("{most} ports from {} on go past 65535", port.get());
            Err(problems.advise(at, message, "a lower port, or fewer nodes at the most: most = 10"))
        }
    }
}
