//! The ring once more, written from its formulas and not from the plugin's code, to compare with. Pure.
//!
//! 512 slots. Virtual node `j` of nine of server `i` wants slot `i² + j² + 2j + 25`, request `i` starts at `i² + 2i + 17`;
//! both take the next slot that is free, or occupied.

const SLOTS: u64 = 512;
const VIRTUAL_NODES: u64 = 9;

/// Who is on which slot.
pub(super) struct Ring([Option<usize>; SLOTS as usize]);

impl Ring {
    /// The ring of these servers, in the order of their numbers.
    pub(super) fn of(servers: &[usize]) -> Self {
        let mut slots = [None; SLOTS as usize];
        for &server in servers {
            for node in 0..VIRTUAL_NODES {
                let wanted = (server as u64).pow(2) + node.pow(2) + 2 * node + 25;
                let free = from(wanted).find(|slot| slots[*slot].is_none()).expect("fewer nodes than slots");
                slots[free] = Some(server);
            }
        }
        Self(slots)
    }

    /// The server of a key that is no number.
    pub(super) fn server_of(&self, key: &str) -> usize {
        // Reduced first, so that the square does not leave 64 bits.
        let number = fnv1a(key.as_bytes()) % SLOTS;
        from(number.pow(2) + 2 * number + 17).find_map(|slot| self.0[slot]).expect("a ring with servers")
    }
}

/// All slots, from this one on.
fn from(slot: u64) -> impl Iterator<Item = usize> {
    (slot..slot + SLOTS).map(|slot| (slot % SLOTS) as usize)
}

/// FNV-1a of 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn the_ring_of_two_is_as_by_hand() {
    let ring = Ring::of(&[0, 1]);
    let slots_of = |server| ring.0.iter().enumerate().filter(move |(_, at)| **at == Some(server)).map(|(slot, _)| slot);
    // j² + 2j is 0 3 8 15 24 35 48 63 80; add 25, and add 26.
    assert_eq!(slots_of(0).collect::<Vec<_>>(), [25, 28, 33, 40, 49, 60, 73, 88, 105]);
    assert_eq!(slots_of(1).collect::<Vec<_>>(), [26, 29, 34, 41, 50, 61, 74, 89, 106]);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
}
