//! What the processes of a fleet ask of the store, and what it answers: the
//! protocol, with the scripts that a Redis runs for it.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use crate::cache::wait_after;

/// The keys of one pair of credentials.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// A [sealed token](super::entry), or a note that it is not worth sharing.
    pub(super) token: String,
    /// A [failure](super::refusal), until when exchanges are held back for it,
    /// and how many came before it.
    pub(super) hold: String,
    /// Who exchanges now.
    pub(super) lock: String,
    /// The budget for renewals that rejections ask for.
    pub(super) rejections: String,
}

/// Stands for a token: the same for the same value.
pub(super) type Tag = [u8; 16];

/// Stands for one publication of a token, since a token service may hand out
/// the same one again.
pub(super) type Id = [u8; 8];

/// Who holds the lock: a value that only holders of the credentials can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock(pub(super) Vec<u8>);

/// An instant by the store's own clock, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoreTime(pub(super) u64);

impl StoreTime {
    pub(super) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The time since `earlier`, zero where that is ahead.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// What a fetch asks: what it can't use, and whether it would exchange.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) lock: Lock,
    pub(super) exchange: Exchange,
    /// The token that the asker holds, and the publication it had it from,
    /// where it had it from the store.
    pub(super) held: Option<(Tag, Option<Id>)>,
    /// The tokens that the asker saw rejected.
    pub(super) rejected: Vec<Tag>,
    pub(super) renewal: Renewal,
    pub(super) unreadable: Unreadable,
}

/// Whether the asker has the time left to exchange by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    IfNobodyElse,
    No,
}

/// Why the asker wants another token than the one that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Not for a rejection, or it has none left: that is not held back.
    Due,
    /// The one that it holds, and goes on to use, was rejected.
    Rejected,
    /// As before, after it was told to wait and nothing has cleared the token.
    RejectedStill,
}

/// What the asker was answered before and could not read: the front of the
/// entries, and the lock. The store passes over these.
#[derive(Clone, Debug, Default)]
pub(super) struct Unreadable {
    pub(super) token: Vec<u8>,
    pub(super) hold: Vec<u8>,
    pub(super) lock: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// When the store answered, by its own clock.
    pub(super) now: StoreTime,
    pub(super) what: What,
}

/// What a fetch is to do. In the order in which the store decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// There is a token that the asker can use, for so long; `None` where the
    /// key has lost its lifetime, and the entry alone tells.
    Token {
        entry: Vec<u8>,
        left: Option<Duration>,
    },
    /// An exchange failed, and the next one is held back for so long.
    Hold { entry: Vec<u8>, left: Duration },
    /// Somebody else exchanges.
    Wait { lock: Vec<u8> },
    /// Nobody exchanges, and the asker has no time left for it.
    Free,
    /// The budget for rejections is spent: for so long.
    Spaced { left: Duration },
    /// The lock is the asker's, who is to exchange. The entry is that of the
    /// failure before, empty without one.
    Exchange { before: Vec<u8> },
}

/// Whether the store did as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The lock was not the asker's any more, so nothing was written.
    NotOurs,
}

/// How far apart renewals are beyond the budget: as failures are.
pub(super) fn step(failures: usize) -> Duration {
    wait_after(failures, Duration::ZERO, 0.0)
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Entries of any other version are passed over.
pub(super) const VERSION: u8 = 1;

/// A process that is killed while it exchanges is replaced after this.
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// A token that can be used for less is not handed out.
pub(super) const MIN_LEFT: Duration = Duration::from_secs(1);

/// No hold is longer: five minutes, and the tenth that is added so that a fleet
/// does not return at once.
pub(super) const MAX_HOLD: Duration = Duration::from_secs(330);

/// A failure is remembered for so long after its hold, so that the next one
/// takes the next step.
pub(super) const HOLD_MEMORY: Duration = Duration::from_secs(300);

/// Rejections ask for three renewals at once, and for one more every five
/// minutes: those of one process and those of the whole fleet.
pub(super) const REJECTION_BURST: u32 = 3;
pub(super) const REJECTION_PERIOD: Duration = Duration::from_secs(300);

/// By the sixth renewal beyond the budget the spacing is at its longest.
pub(super) const MAX_DEBT: u32 = REJECTION_BURST + 6;

/// Half of it drawn, half of it a tag.
pub(super) const LOCK_LENGTH: usize = 32;

/// The version, the tag and the id, before the nonce.
pub(super) const TOKEN_FRONT: usize = 25;
/// The version and the end of the hold in fifteen digits, before the nonce.
pub(super) const HOLD_FRONT: usize = 16;
pub(super) const NONCE: usize = 12;

/// What an entry may be long: shorter ones have no whole front to tell them by,
/// and longer ones than the longest token and the longest names are not read.
pub(super) const TOKEN_ENTRY: RangeInclusive<usize> = TOKEN_FRONT + NONCE..=8400;
pub(super) const HOLD_ENTRY: RangeInclusive<usize> = HOLD_FRONT + NONCE..=512;

/// Decides what a fetch does. The lock is the first thing that it writes, and
/// what comes after that can't fail.
///
/// Keys: token, hold, lock, rejections. Arguments: the asker's lock; whether it
/// would exchange; the tag and the id of the token that it holds; the tags of
/// the rejected ones in a row; the renewal; what was unreadable.
pub(super) static DECIDE: LazyLock<String> = LazyLock::new(|| with_common(DECIDE_LUA));

/// Stores a token, ends the hold and frees the lock, if the lock is the asker's.
///
/// Keys: token, hold, lock. Arguments: the lock; the entry; when it expires.
pub(super) static PUBLISH: LazyLock<String> = LazyLock::new(|| with_common(PUBLISH_LUA));

/// Stores a failure, unless there is none to be shared, and frees the lock, if
/// the lock is the asker's.
///
/// Keys: hold, lock. Arguments: the lock; the entry; when it is forgotten.
pub(super) static FAIL: LazyLock<String> = LazyLock::new(|| with_common(FAIL_LUA));

/// Starts the lease anew, if the lock is the asker's.
///
/// Key: lock. Argument: the lock.
pub(super) static EXTEND: LazyLock<String> = LazyLock::new(|| with_common(EXTEND_LUA));

fn with_common(script: &str) -> String {
    let mut steps = String::new();
    for failures in 0..6 {
        let _ = write!(steps, "{},", millis(step(failures)));
    }
    format!(
        "local VERSION, LEASE, MIN_LEFT, MAX_HOLD = string.char({VERSION}), {}, {}, {}\n\
         local BURST, PERIOD, MAX_DEBT, STEPS = {REJECTION_BURST}, {}, {MAX_DEBT}, {{{steps}}}\n\
         local MIN_TOKEN, MAX_TOKEN, MIN_FAILURE, MAX_FAILURE = {}, {}, {}, {}\n\
         local LOCK_LENGTH = {LOCK_LENGTH}\n\
         {COMMON_LUA}{script}",
        millis(LEASE),
        millis(MIN_LEFT),
        millis(MAX_HOLD),
        millis(REJECTION_PERIOD),
        TOKEN_ENTRY.start(),
        TOKEN_ENTRY.end(),
        HOLD_ENTRY.start(),
        HOLD_ENTRY.end(),
    )
}

const COMMON_LUA: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- What is stored there; '' for nothing, a foreign type, or a length that none of ours has.
local function read(key, least, most)
    local length = redis.pcall('STRLEN', key)
    if type(length) ~= 'number' or length < least or length > most then return '' end
    return redis.call('GET', key)
end

local function is_lock(key, lock)
    return read(key, LOCK_LENGTH, LOCK_LENGTH) == lock
end

local function starts_with(text, front)
    return front ~= '' and string.sub(text, 1, string.len(front)) == front
end
";

const DECIDE_LUA: &str = r"
local lock, exchange, held_tag, held_id, rejected, renewal = unpack(ARGV, 1, 6)
local no_token, no_hold, no_lock = unpack(ARGV, 7, 9)

local token = read(KEYS[1], MIN_TOKEN, MAX_TOKEN)
if string.sub(token, 1, 1) == VERSION and not starts_with(token, no_token) then
    local tag, id = string.sub(token, 2, 17), string.sub(token, 18, 25)
    local usable = not (tag == held_tag and (held_id == '' or id == held_id))
    for at = 1, string.len(rejected), 16 do
        if string.sub(rejected, at, at + 15) == tag then usable = false end
    end
    local left = redis.call('PTTL', KEYS[1])
    if usable and (left == -1 or left >= MIN_LEFT) then
        return {'token', now, token, left}
    end
end

local hold = read(KEYS[2], MIN_FAILURE, MAX_FAILURE)
if string.sub(hold, 1, 1) ~= VERSION or starts_with(hold, no_hold) then hold = '' end
local left = (tonumber(string.sub(hold, 2, 16)) or 0) - now
if left > 0 and left <= MAX_HOLD then return {'hold', now, hold, left} end

local found = read(KEYS[3], LOCK_LENGTH, LOCK_LENGTH)
if found ~= '' and found ~= lock and found ~= no_lock then
    -- A lock that would outlive the lease is nobody's: the clock was set back, say.
    local lease = redis.call('PTTL', KEYS[3])
    if lease < 0 or lease > LEASE then redis.pcall('PEXPIRE', KEYS[3], LEASE) end
    return {'wait', now, found, 0}
end

if exchange ~= 'yes' then return {'free', now, '', 0} end

local budget = read(KEYS[4], 3, 64)
local paid, last = string.match(budget, '^(%d+) (%d+)$')
paid, last = tonumber(paid) or 0, tonumber(last) or 0
if last > now or paid > now + MAX_DEBT * PERIOD then paid, last = 0, 0 end
if renewal ~= 'due' and found ~= lock then
    local debt = paid - now - (BURST - 1) * PERIOD
    local wait = 0
    if debt > 0 and renewal == 'rejected' then
        wait = STEPS[1]
    elseif debt > 0 then
        wait = last + STEPS[math.min(math.ceil(debt / PERIOD), #STEPS)] - now
    end
    if wait > 0 then return {'spaced', now, '', wait} end
end

redis.call('SET', KEYS[3], lock, 'PX', LEASE)
if renewal ~= 'due' and found ~= lock then
    paid = math.min(math.max(paid, now) + PERIOD, now + MAX_DEBT * PERIOD)
    redis.pcall('SET', KEYS[4], string.format('%.0f %.0f', paid, now), 'PX', paid - now)
end
return {'exchange', now, hold, 0}
";

const PUBLISH_LUA: &str = r"
local lock, entry, expires = unpack(ARGV)
if not is_lock(KEYS[3], lock) then return 0 end
local left = tonumber(expires) - now
local set = {}
if left > 0 then set = redis.pcall('SET', KEYS[1], entry, 'PX', left) end
redis.call('DEL', KEYS[2], KEYS[3])
if set.err then return set end
return 1
";

const FAIL_LUA: &str = r"
local lock, entry, forgotten = unpack(ARGV)
if not is_lock(KEYS[2], lock) then return 0 end
local left = tonumber(forgotten) - now
local set = {}
if entry ~= '' and left > 0 then set = redis.pcall('SET', KEYS[1], entry, 'PX', left) end
redis.call('DEL', KEYS[2])
if set.err then return set end
return 1
";

const EXTEND_LUA: &str = r"
if not is_lock(KEYS[1], ARGV[1]) then return 0 end
redis.call('PEXPIRE', KEYS[1], LEASE)
return 1
";
