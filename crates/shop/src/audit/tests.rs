use super::*;

fn id(n: u128) -> OrderId {
    OrderId(uuid::Uuid::from_u128(n))
}

fn order(n: u128, state: OrderState) -> OpenOrder {
    let line = Line {
        sku: "MUG".parse().expect("a SKU"),
        quantity: 2.try_into().expect("a quantity"),
    };
    OpenOrder {
        id: id(n),
        state,
        lines: vec![line],
    }
}

fn hold(n: u128, state: State, quantity: i64) -> Reservation {
    let line = PricedLine {
        sku: "MUG".parse().expect("a SKU"),
        name: "Mug".to_owned(),
        quantity: quantity.try_into().expect("a quantity"),
        price_cents: 1_000,
    };
    Reservation {
        order: id(n),
        state,
        lines: vec![line],
    }
}

/// Every state of an order with every state of a reservation, while the outbox has something to tell
/// and when it has not: `=` agree, `?` undecided, `!` differ.
#[test]
fn every_pair_of_states_is_judged() {
    use OrderState::{Abandoned, Cancelled, Placed};
    use State::{Confirmed, Held, Released};
    let table = [
        (
            None,
            [
                (None, "=="),
                (Some(Held), "??"),
                (Some(Confirmed), "!!"),
                (Some(Released), "=="),
            ],
        ),
        (
            Some(Placed),
            [
                (None, "!!"),
                (Some(Held), "=!"),
                (Some(Confirmed), "=="),
                (Some(Released), "!!"),
            ],
        ),
        (
            Some(Cancelled),
            [
                (None, "=!"),
                (Some(Held), "=!"),
                (Some(Confirmed), "=!"),
                (Some(Released), "=="),
            ],
        ),
        (
            Some(Abandoned),
            [
                (None, "=="),
                (Some(Held), "??"),
                (Some(Confirmed), "!!"),
                (Some(Released), "=="),
            ],
        ),
    ];
    for (order_state, row) in table {
        for (hold_state, expected) in row {
            let order = order_state.map(|state| order(1, state));
            let hold = hold_state.map(|state| hold(1, state, 2));
            let seen: String = [false, true]
                .map(|told| match judge(order.as_ref(), hold.as_ref(), told) {
                    Verdict::Agree => '=',
                    Verdict::Undecided => '?',
                    Verdict::Differ(_) => '!',
                })
                .iter()
                .collect();
            assert_eq!(
                seen, expected,
                "order {order_state:?}, reservation {hold_state:?}"
            );
        }
    }
}

#[test]
fn an_order_for_more_than_was_reserved_is_found() {
    for state in [State::Held, State::Confirmed] {
        let verdict = judge(
            Some(&order(1, OrderState::Placed)),
            Some(&hold(1, state, 1)),
            false,
        );
        let why = format!("order {} is for other lines than were reserved", id(1));
        assert_eq!(verdict, Verdict::Differ(why));
    }
}

#[test]
fn orders_meet_the_reservations_of_their_ids_and_none_is_left_out() {
    let mut orders: VecDeque<_> = [1, 3, 4].map(|n| order(n, OrderState::Placed)).into();
    let mut holds: VecDeque<_> = [2, 3, 5].map(|n| hold(n, State::Held, 2)).into();
    let mut met = Vec::new();
    while let Some((order, hold)) = next_pair(&mut orders, &mut holds) {
        met.push((order.map(|o| o.id), hold.map(|h| h.order)));
    }
    let expected = [
        (Some(id(1)), None),
        (None, Some(id(2))),
        (Some(id(3)), Some(id(3))),
        (Some(id(4)), None),
        (None, Some(id(5))),
    ];
    assert_eq!(met, expected);
}
