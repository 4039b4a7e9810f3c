//! Rates that several processes count together.

use std::time::Duration;

use cache::{Limiter, Rate};
use testkit::redis;

fn both(account: &str, client: &str) -> [(String, Rate); 2] {
    [
        (format!("client:{client}"), Rate::new(3, 60)),
        (format!("account:{account}"), Rate::new(5, 6)),
    ]
}

#[tokio::test]
async fn attempts_at_two_boxes_are_counted_together() {
    let redises = redis();
    let boxes = [(); 2].map(|()| Limiter::new(redises.sessions.clone()));
    let rate = [("ada".to_owned(), Rate::new(5, 6))];
    for n in 0..5 {
        assert_eq!(boxes[n % 2].attempt(&rate).await.unwrap(), None, "{n}");
    }
    let wait = boxes[1].attempt(&rate).await.unwrap().expect("a sixth");
    assert!(
        wait > Duration::from_secs(5) && wait <= Duration::from_secs(10),
        "{wait:?}"
    );
}

#[tokio::test]
async fn what_one_key_refuses_is_not_counted_under_the_next() {
    let limiter = Limiter::new(redis().sessions);
    for _ in 0..3 {
        assert_eq!(limiter.attempt(&both("ada", "eve")).await.unwrap(), None);
    }
    for _ in 0..50 {
        assert!(
            limiter
                .attempt(&both("ada", "eve"))
                .await
                .unwrap()
                .is_some()
        );
    }
    // Three of five are used up, not more.
    assert_eq!(limiter.attempt(&both("ada", "home")).await.unwrap(), None);
    assert_eq!(limiter.attempt(&both("ada", "home")).await.unwrap(), None);
    assert!(
        limiter
            .attempt(&both("ada", "home"))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn time_gives_attempts_back() {
    let limiter = Limiter::new(redis().sessions);
    // One in 50 ms.
    let rate = [("ada".to_owned(), Rate::new(1, 1_200))];
    assert_eq!(limiter.attempt(&rate).await.unwrap(), None);
    let wait = limiter.attempt(&rate).await.unwrap().expect("a second");
    tokio::time::sleep(wait).await;
    assert_eq!(limiter.attempt(&rate).await.unwrap(), None);
}
