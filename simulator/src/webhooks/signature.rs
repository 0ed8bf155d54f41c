//! How a delivery proves where it comes from. Source: Webhooks API guide, request authentication.

use ring::{digest, hmac};

use crate::random::base64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `x-ms-date`.
    pub date: String,
    /// `x-ms-content-sha256`.
    pub content: String,
    pub authorization: String,
}

/// The key is the secret as it was given out, letter for letter; it is never decoded.
pub fn sign(secret: &str, date: &str, host: &str, path_and_query: &str, body: &[u8]) -> Signature {
    let content = base64(digest::digest(&digest::SHA256, body).as_ref());
    let text = format!("POST\n{path_and_query}\n{date};{host};{content}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    let signature = base64(tag.as_ref());
    Signature {
        date: date.to_owned(),
        content,
        authorization: format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: &str) -> Signature {
        sign(
            secret,
            "Thu, 30 Mar 2023 08:38:32 GMT",
            "webhook.site",
            "/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63",
            br#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#,
        )
    }

    /// The example of the guide of 2023.
    #[test]
    fn as_published() {
        let signed = of("A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==");
        assert_eq!(signed.content, "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=");
        assert_eq!(
            signed.authorization,
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256\
             &Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U="
        );
    }

    /// The later guide has another secret beside the old signature; this is what belongs to it.
    #[test]
    fn with_the_secret_of_the_later_guide() {
        let secret = "A".repeat(86) + "==";
        assert!(of(&secret).authorization.ends_with("&Signature=u4zz3dyO3c3xJwl36rPpn1n7WF75u6r2epjH70MZTGM="));
    }
}
