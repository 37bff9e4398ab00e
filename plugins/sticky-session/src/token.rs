//! The value of the cookie: how an endpoint is named to a client, and which endpoint a value from a client names.
//!
//! A value from a client is not trusted: anything that was not made here names nobody.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use leverframe_sdk::hash::fnv1a;
use leverframe_sdk::{Endpoint, EndpointId};
use sha2::Sha256;

type HmacSha256 = Hmac<Sha256>;

/// How values are made.
#[derive(Clone, Debug)]
pub(crate) enum Seal {
    /// Sixteen hexadecimal digits: the FNV-1a hash of the name.
    Opaque,
    /// `label.signature`, both in URL-safe base64 without padding; the label is the name.
    Signed(HmacSha256),
}

impl Seal {
    /// Signs with this secret, for the cookie of this name only: one secret for two clusters does not make the cookies
    /// of one good for the other.
    pub(crate) fn signed(secret: &[u8], cookie: &str) -> Result<Self, String> {
        let mut mac = HmacSha256::new_from_slice(secret).map_err(|error| format!("secret: {error}"))?;
        mac.update(cookie.as_bytes());
        // A cookie name has no zero byte, so the name of the endpoint begins here and nowhere else.
        mac.update(&[0]);
        Ok(Self::Signed(mac))
    }

    fn label(&self, name: &str) -> String {
        match self {
            Self::Opaque => format!("{:016x}", fnv1a(name.as_bytes())),
            Self::Signed(_) => URL_SAFE_NO_PAD.encode(name),
        }
    }

    fn signature(&self, name: &str) -> Option<CtOutput<HmacSha256>> {
        match self {
            Self::Opaque => None,
            Self::Signed(mac) => Some(mac.clone().chain_update(name.as_bytes()).finalize()),
        }
    }
}

/// The values of all candidates, made once for each change, so that a request costs no hashing.
#[derive(Debug)]
pub(crate) struct Tokens {
    seal: Seal,
    /// Sorted by label.
    tokens: Vec<Token>,
}

#[derive(Debug)]
struct Token {
    id: EndpointId,
    label: String,
    signature: Option<CtOutput<HmacSha256>>,
}

impl Tokens {
    pub(crate) const fn new(seal: Seal) -> Self {
        Self { seal, tokens: Vec::new() }
    }

    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        let token = |one: &Endpoint| Token {
            id: one.id,
            label: self.seal.label(&one.name),
            signature: self.seal.signature(&one.name),
        };
        self.tokens = candidates.iter().map(token).collect();
        self.tokens.sort_by(|one, other| one.label.cmp(&other.label));
    }

    /// The endpoint that a client's value names, if it is a candidate.
    pub(crate) fn find(&self, value: &str) -> Option<EndpointId> {
        let (label, signature) = value.split_once('.').map_or((value, None), |(label, rest)| (label, Some(rest)));
        let index = self.tokens.binary_search_by(|token| token.label.as_str().cmp(label)).ok()?;
        let token = self.tokens.get(index)?;
        let genuine = match (&token.signature, signature) {
            (None, None) => true,
            // `CtOutput` compares in constant time, so that the time says nothing about the right signature.
            (Some(right), Some(given)) => read_signature(given).is_some_and(|given| given == *right),
            _ => false,
        };
        genuine.then_some(token.id)
    }

    /// The value that names a candidate.
    pub(crate) fn value(&self, id: EndpointId) -> Option<String> {
        let token = self.tokens.iter().find(|token| token.id == id)?;
        Some(match &token.signature {
            None => token.label.clone(),
            Some(signature) => {
                let signature = URL_SAFE_NO_PAD.encode(signature.clone().into_bytes());
                [token.label.as_str(), ".", signature.as_str()].concat()
            }
        })
    }
}

fn read_signature(text: &str) -> Option<CtOutput<HmacSha256>> {
    // A SHA-256 output: 43 characters, 32 bytes.
    let mut bytes = [0; 33];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let bytes: [u8; 32] = bytes.get(..length)?.try_into().ok()?;
    Some(CtOutput::new(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{candidates, endpoint};

    const SECRET: &[u8] = b"0123456789abcdef";

    fn tokens(seal: Seal) -> Tokens {
        let mut tokens = Tokens::new(seal);
        tokens.replace(&candidates(&[("zeta", 1), ("alpha", 1), ("web 1; Path=/", 1)]));
        tokens
    }

    fn signed(cookie: &str) -> Tokens {
        tokens(Seal::signed(SECRET, cookie).expect("the secret is long enough"))
    }

    #[test]
    fn each_value_names_the_endpoint_that_it_was_made_for() {
        for tokens in [tokens(Seal::Opaque), signed("sid")] {
            for id in 1..=3 {
                let value = tokens.value(id).expect("it is a candidate");
                assert_eq!(tokens.find(&value), Some(id));
                let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                assert!(value.bytes().all(harmless), "{value}");
            }
            assert_eq!(tokens.value(4), None);
        }
    }

    #[test]
    fn an_opaque_value_is_the_hash_of_the_name() {
        let mut tokens = Tokens::new(Seal::Opaque);
        tokens.replace(&[endpoint(1, "foobar", 1)]);
        assert_eq!(tokens.value(1).as_deref(), Some("85944171f73967e8"));
    }

    #[test]
    fn a_signed_value_is_the_published_construction() {
        // printf 'sid\0alpha' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | basenc --base64url
        assert_eq!(signed("sid").value(2).as_deref(), Some("YWxwaGE.Y1dKIeBMRlySiFZ-Yr5cFrRNs2MOqqpg6Nv6AzhbV3U"));
    }

    #[test]
    fn a_forged_value_names_nobody() {
        let tokens = signed("sid");
        let value = tokens.value(2).expect("it is a candidate");
        let (label, signature) = value.split_once('.').expect("it is signed");
        let other = tokens.value(1).expect("it is a candidate");
        let (other_label, _) = other.split_once('.').expect("it is signed");
        let elsewhere = signed("other").value(2).expect("it is a candidate");
        let forged = [
            String::new(),
            ".".to_owned(),
            "alpha".to_owned(),
            label.to_owned(),
            format!("{label}."),
            format!("{label}.{}", &signature[1..]),
            format!("{label}.{signature}AA"),
            format!("{label}.{}", "A".repeat(43)),
            format!("{label}.{}", "A".repeat(4096)),
            format!("{other_label}.{signature}"),
            format!("{label}.{signature}.{signature}"),
            elsewhere,
        ];
        for value in forged {
            assert_eq!(tokens.find(&value), None, "{value}");
        }
    }

    #[test]
    fn one_that_left_is_named_no_more() {
        let mut tokens = signed("sid");
        let value = tokens.value(2).expect("it is a candidate");
        tokens.replace(&candidates(&[("zeta", 1)]));
        assert_eq!(tokens.find(&value), None);
    }
}
