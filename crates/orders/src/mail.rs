//! The mail that goes out: a folder that stands in for a mail server, one file for each message.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::event::Receipt;

/// Takes messages; the same event twice is one message.
#[derive(Debug, Clone)]
pub struct MailFolder {
    dir: PathBuf,
}

impl MailFolder {
    /// Makes the folder if it is not there; fails at start rather than at the first mail.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<MailFolder> {
        let dir = dir.into();
        std::fs::create_dir_all(&dir)?;
        Ok(MailFolder { dir })
    }

    /// Delivers the confirmation as `<event id>.eml`, whole or not at all. When this returns it is
    /// on disk, for its event will be deleted.
    pub(crate) async fn deliver(
        &self,
        event: Uuid,
        at: DateTime<Utc>,
        receipt: &Receipt,
    ) -> io::Result<()> {
        let message = self.dir.join(format!("{event}.eml"));
        if !fs::try_exists(&message).await? {
            let draft = self.dir.join(format!("{event}.tmp"));
            let mut file = fs::File::create(&draft).await?;
            let text = confirmation(event, at, receipt);
            file.write_all(text.as_bytes()).await?;
            file.sync_all().await?;
            fs::rename(&draft, &message).await?;
        }
        // Also for who came before, and may have died before this line.
        fs::File::open(&self.dir).await?.sync_all().await
    }
}

/// An Internet message (RFC 5322) in UTF-8 (RFC 6532 body, 8bit). The same event, the same text.
fn confirmation(event: Uuid, at: DateTime<Utc>, Receipt { email, order }: &Receipt) -> String {
    let lines: String = order
        .lines
        .iter()
        .map(|line| {
            let quantity = line.quantity.get();
            let sum = money(i64::from(quantity) * line.price_cents);
            format!(
                "{quantity:>4} x {} ({}): {sum}\r\n",
                printable(&line.name),
                line.sku
            )
        })
        .collect();
    // An `Email` holds neither line breaks nor any sign that means something in a header.
    format!(
        "From: Stagecraft <orders@stagecraft.test>\r\n\
         To: <{email}>\r\n\
         Subject: Your order {id}\r\n\
         Date: {date}\r\n\
         Message-ID: <{event}@stagecraft.test>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         Thank you for your order.\r\n\
         \r\n\
         {lines}\
         \r\n\
         Total: {total}\r\n",
        id = order.id,
        date = at.to_rfc2822(),
        total = money(order.total_cents),
    )
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// One line of at most 120 characters: a line of mail must end before 998 bytes.
fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(visible).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn receipt(name: &str) -> Receipt {
        serde_json::from_value(json!({
            "email": "ada@example.test",
            "order": {
                "id": "01890a5d-ac96-874b-bcce-b302099a8057",
                "user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
                "status": "placed",
                "lines": [{ "sku": "MUG-1", "name": name, "quantity": 3, "price_cents": 1995 }],
                "total_cents": 5985,
                "created_at": "2026-03-01T12:00:00Z",
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_confirmation_is_an_internet_message() {
        let at = "2026-03-01T12:00:01Z".parse().unwrap();
        assert_eq!(
            confirmation(Uuid::nil(), at, &receipt("Grüner Becher")),
            "From: Stagecraft <orders@stagecraft.test>\r\n\
             To: <ada@example.test>\r\n\
             Subject: Your order 01890a5d-ac96-874b-bcce-b302099a8057\r\n\
             Date: Sun, 1 Mar 2026 12:00:01 +0000\r\n\
             Message-ID: <00000000-0000-0000-0000-000000000000@stagecraft.test>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             \r\n\
             Thank you for your order.\r\n\
             \r\n   3 x Grüner Becher (MUG-1): 59.85\r\n\
             \r\n\
             Total: 59.85\r\n"
        );
    }

    #[test]
    fn a_name_cannot_add_lines() {
        let name = format!("Mug\r\n.\r\nBcc: all@example.test{}", "x".repeat(2_000));
        let text = confirmation(Uuid::nil(), Utc::now(), &receipt(&name));
        assert!(
            text.split("\r\n")
                .all(|line| line.len() < 998 && !line.contains(['\r', '\n']))
        );
        assert!(!text.contains("\nBcc"));
    }
}
