//! Fiskil's error object: what of it is shown.

use crate::{answer, printed};

#[tokio::test]
async fn the_id_and_name_of_fiskils_error_are_shown_and_its_message_is_not() {
    let body = r#"{"id": "err_acde070d-8c4c-4f0d-9d8a-162843c10333", "name": "InvalidRequest",
        "message": "for people", "temporary": false, "timeout": false, "fault": false}"#;
    let error = answer(400, body).await.unwrap_err();
    let id = "err_acde070d-8c4c-4f0d-9d8a-162843c10333";
    assert_eq!(error.error_id(), Some(id));
    assert_eq!(error.error_name(), Some("InvalidRequest"));
    assert!(error.to_string().contains(id));
    assert!(!printed(&error).contains("for people"));
}

#[tokio::test]
async fn an_odd_member_of_the_error_object_leaves_the_others_readable() {
    let body = r#"{"id": {"a": [1]}, "name": "unauthorized", "temporary": "yes", "timeout": true}"#;
    let error = answer(401, body).await.unwrap_err();
    assert_eq!(error.error_id(), None);
    assert_eq!(error.error_name(), Some("unauthorized"));
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_id_that_is_no_plain_identifier_is_left_out() {
    for (id, shown) in [
        ("x".repeat(128), true),
        ("A-z_0.9:".to_owned(), true),
        ("x".repeat(129), false),
        (String::new(), false),
        ("two words".to_owned(), false),
        ("a/b".to_owned(), false),
        ("é".to_owned(), false),
        ("line\\nbreak".to_owned(), false),
    ] {
        let body = format!(r#"{{"id":"{id}","name":"{id}"}}"#);
        let error = answer(500, body).await.unwrap_err();
        assert_eq!(error.error_id().is_some(), shown, "{id}");
        assert_eq!(error.error_name().is_some(), shown, "{id}");
    }
}
