//! One body of tests, run against the domain in process and against it over HTTP.

use contract::remote::HttpUsers;
use contract::users::SessionToken;
use runtime::layers::{LayerConfig, public};

use super::*;

#[sqlx::test]
async fn a_local_domain_keeps_the_contract(pool: PgPool) {
    let world = World::new(pool);
    keeps_the_contract(&world.users).await;
}

#[sqlx::test]
async fn a_remote_domain_keeps_the_contract(pool: PgPool) {
    let world = World::new(pool);
    let router = users::http::internal(Arc::new(world.users));
    let router = public(router, &LayerConfig::default());
    keeps_the_contract(&HttpUsers::new(router, "http://users:8080")).await;
}

async fn keeps_the_contract(users: &dyn Users) {
    let ctx = ctx();
    let id = UserId::new();
    let ada = users.register(&ctx, id, new_user("ada@example.test")).await;
    let ada = ada.unwrap();
    assert_eq!(ada.id, id);
    let taken = users
        .register(&ctx, UserId::new(), new_user("ada@example.test"))
        .await;
    assert!(matches!(taken, Err(UsersError::EmailTaken)), "{taken:?}");
    let new = NewUser {
        password: password("short"),
        ..new_user("bob@example.test")
    };
    let short = users.register(&ctx, UserId::new(), new).await;
    assert!(
        matches!(short, Err(UsersError::PasswordTooShort)),
        "{short:?}"
    );

    let log_in = async |typed| {
        let credentials = credentials("ada@example.test", typed);
        users.log_in(&ctx, credentials, CLIENT).await
    };
    let wrong = log_in("wrong horse").await;
    assert!(
        matches!(wrong, Err(UsersError::WrongCredentials)),
        "{wrong:?}"
    );
    let LoggedIn { token, user, .. } = log_in(PASSWORD).await.unwrap();
    assert_eq!(user, ada);

    let holder = users.authenticate(&ctx, &token).await.unwrap().unwrap();
    assert_eq!((holder.user_id, holder.name), (id, ada.name.clone()));
    let nobody = SessionToken::new("nobody");
    assert_eq!(users.authenticate(&ctx, &nobody).await.unwrap(), None);

    let name: contract::text::PersonName = "Ada L.".parse().unwrap();
    let renamed = users.rename(&ctx, id, name.clone()).await.unwrap();
    assert_eq!(
        renamed,
        User {
            name: name.clone(),
            ..ada
        }
    );
    assert_eq!(users.user(&ctx, id).await.unwrap(), Some(renamed));
    assert_eq!(users.user(&ctx, UserId::new()).await.unwrap(), None);
    let stranger = users.rename(&ctx, UserId::new(), name).await;
    assert!(
        matches!(stranger, Err(UsersError::NoSuchUser)),
        "{stranger:?}"
    );

    users.log_out(&ctx, &token).await.unwrap();
    assert_eq!(users.authenticate(&ctx, &token).await.unwrap(), None);

    let credentials = || credentials("nobody@example.test", PASSWORD);
    let mut refusal = None;
    while !matches!(refusal, Some(UsersError::TooManyAttempts { .. })) {
        refusal = users.log_in(&ctx, credentials(), CLIENT).await.err();
    }
    assert!(
        matches!(
            refusal,
            Some(UsersError::TooManyAttempts {
                retry_after: 1..=10
            })
        ),
        "{refusal:?}"
    );
}
