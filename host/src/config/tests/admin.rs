//! `[admin]`: where operators connect, and that nobody opens it to other machines by mistake.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Secret, TokenSpec};

const OPEN: &str = "[admin]\naddress = '0.0.0.0:9900'\n";

#[test]
fn an_address_that_other_machines_reach_takes_a_token_or_a_word() {
    let expected = "\
9:11: admin.address: other machines may reach the admin API at `0.0.0.0:9900`, and it would ask nobody for a token (name a file with a token: [admin] token_file = \"admin.token\"; or bind it to 127.0.0.1; or, where others cannot reach it after all, say [admin] allow_without_token = true)
";
    assert_eq!(mistakes(&(SOUND.to_owned() + OPEN)), expected);
    for more in ["token_file = 't'", "read_only_token_file = 't'", "allow_without_token = true"] {
        config(&(SOUND.to_owned() + OPEN + more));
    }
    for here in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        config(&format!("{SOUND}[admin]\naddress = '{here}'\n"));
    }
    for elsewhere in ["10.0.0.1:1", "[::]:1", "[fe80::1]:1"] {
        mistakes(&format!("{SOUND}[admin]\naddress = '{elsewhere}'\n"));
    }
    assert_eq!(mistakes(&(SOUND.to_owned() + OPEN + "token_file = ''")).lines().count(), 1);
    // A value of the wrong form is the only mistake.
    assert_eq!(mistakes(&(SOUND.to_owned() + OPEN + "token_file = 3")).lines().count(), 1);
}

#[test]
fn the_environment_says_where_it_is_and_what_lets_one_in() {
    let at = |address: &str, token: Option<&str>| {
        let (admin_address, admin_token) = (Some(address.to_owned()), token.map(Secret::new));
        let overrides = Overrides { admin_address, admin_token, ..Overrides::default() };
        parse(SOUND, Path::new("x.toml"), &overrides)
    };
    let refused = at("0.0.0.0:1", None).unwrap_err().to_string();
    assert!(refused.starts_with("x.toml: LEVERFRAME_ADMIN_ADDRESS: other machines may reach"), "{refused}");
    let open = at("0.0.0.0:1", Some("opensesame")).unwrap();
    assert_eq!(open.admin.token, Some(TokenSpec::Given(Secret::new("opensesame"))));
    assert!(!format!("{open:?}").contains("opensesame"));
}

#[test]
fn token_files_are_beside_the_configuration() {
    let admin = config(&format!("{SOUND}[admin]\ntoken_file = 'a'\nread_only_token_file = '/run/b'\n")).admin;
    assert_eq!(admin.token, Some(TokenSpec::File(PathBuf::from("/etc/leverframe/a"))));
    assert_eq!(admin.read_only_token, Some(TokenSpec::File(PathBuf::from("/run/b"))));
    assert!(!admin.allow_without_token);
}
