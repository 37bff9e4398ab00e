//! Where operators connect, and what lets them in. Who can be reached from other machines asks for a token, unless the file
//! says in so many words that it need not.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::overrides::ADMIN_ADDRESS_VARIABLE;
use super::super::problems::{Origin, Problems, Reported};
use super::super::settings::{Admin, TokenSpec};
use super::super::sql::Secret;
use super::super::units::Switch;
use super::{Surroundings, socket_address};

/// Compiles `[admin]`.
pub(super) fn compile(
    file: file::Admin,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Admin, Reported> {
    let at = At::root().key("admin");
    let (address, who) = address(&file.address, &at, around, problems)?;
    let overrides = around.overrides;
    let token = token((overrides.admin_token.as_ref(), file.token_file), &at.key("token_file"), around, problems);
    let read = (overrides.admin_read_token.as_ref(), file.read_only_token_file);
    let read_only_token = self::token(read, &at.key("read_only_token_file"), around, problems);
    let admin = Admin {
        address,
        token: token?,
        read_only_token: read_only_token?,
        allow_without_token: file.allow_without_token.unwrap_or_default(),
    };
    // A token that could not be read is not one that is missing.
    let keys = ["token_file", "read_only_token_file", "allow_without_token"];
    let spoiled = keys.iter().find_map(|key| problems.spoiled(&at.key(key)));
    match (address, spoiled) {
        (Some(address), None) => guarded(address, &admin, &who, problems)?,
        (Some(_), Some(reported)) => return Err(reported),
        (None, _) => {}
    }
    Ok(admin)
}

/// Refuses to serve the admin API at an address that other machines may reach, where it would ask nobody who they are.
/// `who` has said the address.
pub(super) fn guarded(
    address: SocketAddr,
    admin: &Admin,
    who: &Origin,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let has_token = admin.token.is_some() || admin.read_only_token.is_some();
    if address.ip().to_canonical().is_loopback() || has_token || admin.allow_without_token {
        return Ok(());
    }
    let message = format!("other machines may reach the admin API at `{address}`, and it would ask nobody for a token");
    let advice = "name a file with a token: [admin] token_file = \"admin.token\"; or bind it to 127.0.0.1; or, where \
                  others cannot reach it after all, say [admin] allow_without_token = true";
    Err(problems.refuse(who, message, advice))
}

/// Where it is, and who says so.
fn address(
    file: &Switch,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<(Option<SocketAddr>, Origin), Reported> {
    let written = Origin::File(at.key("address"));
    let (text, who) = match (&around.overrides.admin_address, file) {
        (Some(text), _) => (text, Origin::Variable(ADMIN_ADDRESS_VARIABLE)),
        (None, Switch::Off) => return Ok((None, written)),
        (None, Switch::Default) => return Ok((Some(defaults::ADMIN_ADDRESS), written)),
        (None, Switch::To(text)) => (text, written),
    };
    match socket_address(text) {
        Ok(address) => Ok((Some(address), who)),
        Err(wrong) => Err(problems.refuse(&who, wrong.message, wrong.advice)),
    }
}

/// A token: that of the environment, or the file that holds it. What is in the file is read when it is put to work.
fn token(
    (given, file): (Option<&Secret>, Option<String>),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Option<TokenSpec>, Reported> {
    match (given, file) {
        (Some(given), _) => Ok(Some(TokenSpec::Given(given.clone()))),
        (None, Some(file)) if file.trim().is_empty() => Err(problems.report(at, "there is no path in it")),
        (None, Some(file)) => Ok(Some(TokenSpec::File(around.folder.join(PathBuf::from(file))))),
        (None, None) => Ok(None),
    }
}
