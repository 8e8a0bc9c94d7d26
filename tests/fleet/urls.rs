//! URLs, right and wrong.

use fiskil_auth::{ErrorKind, SharedTokens};

#[test]
fn what_is_no_url_of_a_redis_is_an_error_that_does_not_echo_it() {
    for url in [
        "",
        "cache.internal",
        "cache.internal:6379",
        "http://sesame@cache.internal",
        "redis://",
        "redis://:sesame@",
        "redis://:sesame@cache.internal:99999",
        "redis://:sesame@cache.internal/sesame",
        "redis://:sesame%ff@cache.internal",
        "redis://:sesame@cache.internal?protocol=sesame",
        "rediss://:sesame@cache.internal#insecure",
        "rediss://:sesame@cache.internal#sesame",
        "redis://:ses ame@cache internal",
        "redis-sentinel://:sesame@cache.internal",
    ] {
        let error = SharedTokens::redis(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(!error.is_transient());
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("sesame") && !text.contains("internal"),
            "{text}"
        );
    }
}

#[test]
fn all_kinds_of_urls_are_taken() {
    for url in [
        "redis://cache.internal",
        "redis://cache.internal:6380/2",
        "redis://user:sesame@cache.internal",
        "redis://[::1]:6379?protocol=resp3",
        "rediss://cache.internal",
        "valkey://cache.internal",
        "valkeys://user:sesame@cache.internal:6380",
        "unix:///run/redis.sock",
    ] {
        let shared = SharedTokens::redis(url).unwrap();
        let text = format!("{shared:?}");
        assert!(!text.contains("sesame"), "{text}");
    }
}
