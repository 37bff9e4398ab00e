//! Two ask for one lease.

use super::*;

#[tokio::test]
async fn a_lease_is_held_by_one_at_a_time_and_says_by_whom() {
    let (_folder, path) = place();
    let [one, other] = [FileLease::beside(&path), FileLease::beside(&path)];
    let Claim::Held(held) = one.claim().await.unwrap() else { panic!("nobody has it") };
    let Claim::Taken(holder) = other.claim().await.unwrap() else { panic!("it is held") };
    assert!(holder.starts_with(&format!("process {} since 2", std::process::id())), "{holder}");
    assert!(held.is_valid());
    drop(held);
    assert!(matches!(other.claim().await.unwrap(), Claim::Held(_)));
    assert!(matches!(one.claim().await.unwrap(), Claim::Held(_)));
}

#[tokio::test]
async fn a_lease_whose_file_was_removed_is_lost() {
    let (_folder, path) = place();
    let lease = FileLease::beside(&path);
    let log = open(&path).await;
    std::fs::remove_file(path.with_extension("sqlite.lock")).unwrap();
    assert_eq!(log.append(entry("a"), &[]).await, Err(LogError::LeaseLost));
    assert!(matches!(lease.claim().await.unwrap(), Claim::Held(_)));
    assert_eq!(log.append(entry("b"), &[]).await, Err(LogError::LeaseLost));
    assert_eq!(log.durable(), Position(0));
}

#[tokio::test]
async fn a_lease_that_cannot_be_asked_for_says_why() {
    let lease = FileLease::beside(Path::new("/nowhere/log"));
    let Err(error) = lease.claim().await else { panic!("there is no such folder") };
    assert_eq!(error.lease, "/nowhere/log.lock");
}

#[tokio::test]
async fn a_writer_that_lost_its_lease_without_knowing_is_fenced() {
    struct Anyone;
    impl Hold for Anyone {
        fn is_valid(&self) -> bool {
            true
        }
    }
    let (_folder, path) = place();
    let first = Log::open(&path, Arc::new(Anyone)).await.unwrap();
    first.append(entry("a"), &[]).await.unwrap();
    let second = Log::open(&path, Arc::new(Anyone)).await.unwrap();
    let epoch = second.epoch();
    assert!(epoch > first.epoch());
    let late = Outcome::Applied { affected: vec![1] };
    assert_eq!(first.append(entry("b"), &[]).await, Err(LogError::Fenced(epoch)));
    assert_eq!(first.note(vec![], vec![(Position(1), late)], Flush::Later).await, Err(LogError::Fenced(epoch)));
    assert_eq!(first.trim(Position(1)).await, Err(LogError::Fenced(epoch)));
    assert_eq!(second.append(entry("c"), &[]).await.unwrap(), Position(2));
    assert_eq!(names(&second).await, ["a", "c"]);
    assert!(second.outcomes(Position(0), Position(2)).await.unwrap().is_empty());
}
