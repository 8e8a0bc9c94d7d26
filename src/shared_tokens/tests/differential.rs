//! The same random operations on both stores: they must answer the same.

use std::time::Duration;

use fastrand::Rng;

use super::conformance::{Bed, ask, token};
use super::redis_server::RedisServer;
use super::world::keys;
use crate::shared_tokens::memory::{MemoryStore, Value};
use crate::shared_tokens::protocol::{Exchange, Renewal, StoreTime, What};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn both_stores_answer_the_same() {
    let (server, memory) = (RedisServer::start(), MemoryStore::new());
    for seed in 0..40 {
        let mut outcomes = Vec::new();
        for bed in [&memory as &dyn Bed, &server] {
            bed.clear();
            outcomes.push(run(bed, seed).await);
        }
        for (step, (memory, server)) in outcomes[0].iter().zip(&outcomes[1]).enumerate() {
            assert_eq!(memory, server, "seed {seed}, step {step}");
        }
    }
}

/// What each operation says, without what depends on how long it took.
async fn run(bed: &dyn Bed, seed: u64) -> Vec<String> {
    let names = keys().names;
    let mut rng = Rng::with_seed(seed);
    let mut seen = Vec::new();
    let mut now = StoreTime(0);
    let mut session = bed.session();
    for _ in 0..80 {
        let by = rng.u8(1..4);
        let lock = ask(by).lock;
        let left = Duration::from_secs(rng.u64(100..300));
        seen.push(match rng.u32(0..10) {
            0..5 => {
                let mut ask = ask(by);
                ask.exchange = match rng.u32(0..5) {
                    0 => Exchange::No,
                    _ => Exchange::IfNobodyElse,
                };
                ask.renewal = match rng.u32(0..3) {
                    0 => Renewal::Due,
                    1 => Renewal::Rejected,
                    _ => Renewal::RejectedStill,
                };
                let tag = [rng.u8(1..4); 16];
                ask.held = match rng.u32(0..4) {
                    0 => Some((tag, None)),
                    1 => Some((tag, Some([rng.u8(1..3); 8]))),
                    _ => None,
                };
                if rng.bool() {
                    ask.rejected = vec![[rng.u8(1..4); 16], [rng.u8(1..4); 16]];
                }
                if rng.u32(0..4) == 0 {
                    ask.unreadable.token = token(rng.u8(1..4), 1)[..37].to_vec();
                    ask.unreadable.lock = vec![rng.u8(1..4); 32];
                }
                let answer = session.decide(&names, &ask).await.unwrap();
                now = answer.now;
                match answer.what {
                    What::Token { entry, .. } => format!("token {entry:?}"),
                    What::Hold { entry, .. } => format!("hold {:?}", &entry[16..]),
                    What::Spaced { .. } => "spaced".to_owned(),
                    What::Exchange { before } => format!("exchange {}", before.len()),
                    other => format!("{other:?}"),
                }
            }
            5 => {
                let entry = token(rng.u8(1..4), rng.u8(1..3));
                let expires = now.after(left);
                let written = session.publish(&names, &lock, &entry, expires).await;
                format!("{:?}", written.unwrap())
            }
            6 => {
                let until = match rng.bool() {
                    true => now.after(left),
                    false => StoreTime(now.0.saturating_sub(1000)),
                };
                let front = format!("\x01{:015}", until.0);
                let entry = [front.as_bytes(), &[rng.u8(..); 40]].concat();
                let written = session
                    .fail(&names, &lock, &entry, now.after(2 * left))
                    .await;
                format!("{:?}", written.unwrap())
            }
            7 => format!("{:?}", session.extend(&names, &lock).await.unwrap()),
            8 => {
                let key = [&names.token, &names.hold, &names.lock, &names.rejections];
                let key = key[rng.usize(0..4)];
                let value = match rng.u32(0..3) {
                    0 => Value::Foreign,
                    1 => Value::Text(vec![1; rng.usize(0..100)]),
                    _ => Value::Text(vec![by; 32]),
                };
                bed.put(key, value, rng.bool().then_some(left));
                key.clone()
            }
            _ => {
                let key = [&names.token, &names.hold, &names.lock][rng.usize(0..3)];
                match bed.look(key) {
                    Some((_, left)) => format!("{key} {}", left.is_some()),
                    None => "nothing".to_owned(),
                }
            }
        });
    }
    seen
}
