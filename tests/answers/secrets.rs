//! What a server echoes.

use crate::{REJECTED, SECRET, answer, assert_secretless};

#[tokio::test]
async fn what_a_server_echoes_is_never_shown() {
    let base64 = "ZnNrXzlhWi83UXgrMkxtP1dr";
    for echo in [SECRET, REJECTED, base64, "fsk_9aZ%2F7Qx%2B", "eyJhbGci"] {
        for body in [
            format!(r#"{{"id":"{echo}","name":"{echo}","message":"{echo}"}}"#),
            format!(r#"{{"id":"err_{echo}_1","name":"x.{echo}","{echo}":"{echo}"}}"#),
            format!(r#"{{"token":["{echo}"],"token_type":"{echo}","expires_in":"{echo}"}}"#),
            format!(r#"{{"token":"{echo} {echo}"}}"#),
            format!(r#"{{"token":"t","token_type":"{echo}"}}"#),
            format!(r#"{{"{echo}":1,}}"#),
            echo.to_owned(),
        ] {
            for status in [200, 302, 400, 401, 429, 500] {
                let error = answer(status, body.clone()).await.unwrap_err();
                assert_secretless(&error);
                assert_eq!(error.error_id(), None, "{body}");
                assert_eq!(error.error_name(), None, "{body}");
            }
        }
    }
}
