//! What others must hear of once it is true: written in the transaction that makes it true.

use contract::OrderId;
use contract::orders::Order;
use contract::text::Email;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload")]
pub(crate) enum Event {
    /// Its hold is a sale, and the buyer gets a mail.
    #[serde(rename = "order.placed")]
    Placed(Receipt),
    /// Its stock goes back.
    #[serde(rename = "order.cancelled")]
    Cancelled { order: OrderId },
}

/// What the mail needs: at the time of its delivery nobody need be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) email: Email,
    pub(crate) order: Order,
}

impl Event {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Event::Placed(_) => "order.placed",
            Event::Cancelled { .. } => "order.cancelled",
        }
    }

    pub(crate) fn payload(&self) -> Value {
        json!(self)["payload"].take()
    }

    /// The other way round.
    pub(crate) fn decode(kind: &str, payload: &Value) -> serde_json::Result<Event> {
        Event::deserialize(json!({ "kind": kind, "payload": payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_columns() {
        let order = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let event = Event::Cancelled { order };
        assert_eq!(event.payload(), json!({ "order": order }));
        assert_eq!(
            Event::decode(event.kind(), &event.payload()).unwrap(),
            event
        );
    }

    #[test]
    fn an_unknown_event_is_an_error() {
        assert!(Event::decode("order.eaten", &json!({})).is_err());
        assert!(Event::decode("order.placed", &Value::Null).is_err());
    }
}
