//! The scripts that a Redis runs for the protocol: one for each operation.

use std::fmt::Write;
use std::sync::LazyLock;

use super::{
    HOLD_ENTRY, LEASE, LOCK_LENGTH, MAX_DEBT, MAX_HOLD, MIN_LEFT, REJECTION_BURST,
    REJECTION_PERIOD, TOKEN_ENTRY, VERSION, millis, step,
};

/// Decides what a fetch does. The lock is the first thing that it writes, and
/// what comes after that can't fail.
///
/// Keys: token, hold, lock, rejections. Arguments: the asker's lock; whether it
/// would exchange; the tag and the id of the token that it holds; the tags of
/// the rejected ones in a row; the renewal; what was unreadable.
pub(in super::super) static DECIDE: LazyLock<String> = LazyLock::new(|| with_common(DECIDE_LUA));

/// Stores a token, ends the hold and frees the lock, if the lock is the asker's.
///
/// Keys: token, hold, lock. Arguments: the lock; the entry; when it expires.
pub(in super::super) static PUBLISH: LazyLock<String> = LazyLock::new(|| with_common(PUBLISH_LUA));

/// Stores a failure, unless there is none to be shared, and frees the lock, if
/// the lock is the asker's.
///
/// Keys: hold, lock. Arguments: the lock; the entry; when it is forgotten.
pub(in super::super) static FAIL: LazyLock<String> = LazyLock::new(|| with_common(FAIL_LUA));

/// Starts the lease anew, if the lock is the asker's.
///
/// Key: lock. Argument: the lock.
pub(in super::super) static EXTEND: LazyLock<String> = LazyLock::new(|| with_common(EXTEND_LUA));

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
-- After a failure the hold has spaced it, and the one that failed has paid.
local pays = renewal ~= 'due' and found ~= lock and hold == ''
if pays then
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
if pays then
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
