//! The hash keys of records, four at a time: one by one they would cost the task, or its callers, most of their time.

use kinesis_aggregation::HashKey;

use super::intake::Command;

/// The hash key of each put among the commands, in their order.
pub(super) fn hash_keys(commands: &[Command]) -> Vec<HashKey> {
    let mut hash_keys = Vec::with_capacity(commands.len());
    let mut group: [(usize, &[u8]); 4] = [(0, b""); 4];
    let mut grouped = 0;
    for command in commands {
        let Command::Put { record, .. } = command else {
            continue;
        };
        let place = hash_keys.len();
        hash_keys.push(record.explicit_hash_key().unwrap_or(HashKey::MIN));
        if record.explicit_hash_key().is_none() {
            group[grouped] = (place, record.key().as_bytes());
            grouped += 1;
        }
        if grouped == group.len() {
            settle(&group, &mut hash_keys);
            grouped = 0;
        }
    }
    match &mut group[..grouped] {
        [] => {}
        [first, ..] => {
            let first = *first;
            // Two are cheaper so than one by one, and one costs no more. The last repeat the first.
            group[grouped..].fill(first);
            settle(&group, &mut hash_keys);
        }
    }
    hash_keys
}

fn settle(group: &[(usize, &[u8]); 4], hash_keys: &mut [HashKey]) {
    let keys = HashKey::of_four_partition_keys(group.map(|(_, key)| key));
    for ((place, _), key) in group.iter().zip(keys) {
        hash_keys[*place] = key;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::producer::ticket::{Origin, Tickets};
    use crate::record::Record;
    use crate::stream::StreamName;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to start from"
    )]
    fn each_put_gets_its_own() {
        let mut tickets = Tickets::new(StreamName::new("orders").expect("valid"));
        for count in 0..14_u64 {
            let mut expected = Vec::new();
            let mut commands = Vec::new();
            for n in 0..count {
                let mut record = Record::new(format!("key-{n}"), "").expect("valid");
                if n % 5 == 3 {
                    record = record.with_explicit_hash_key(HashKey::new(u128::from(n)));
                }
                expected.push(record.hash_key());
                commands.push(Command::Put {
                    record,
                    arrival: Instant::now(),
                    token: tickets.issue(1, Origin::Caller).0,
                });
                if n % 4 == 1 {
                    commands.push(Command::AskLimit);
                }
            }
            assert_eq!(hash_keys(&commands), expected, "{count}");
        }
    }
}
