//! The SQL of the schema `users`: accounts here, the rest by noun.

pub(crate) mod outbox;
pub(crate) mod sessions;

use cache::Versioned;
use chrono::{DateTime, Utc};
use contract::text::{Email, PersonName};
use contract::users::{Identity, User};
use contract::{Bucket, UserId};
use db::Result;
use sqlx::PgConnection;
use uuid::Uuid;

/// Who holds an e-mail address, and since when.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) user_id: UserId,
    pub(crate) created_at: DateTime<Utc>,
}

/// Gives an address that nobody holds to this user, or renews his claim. False if it is another's.
pub(crate) async fn claim_email(
    db: &mut PgConnection,
    email: &Email,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into users.emails as claim (bucket, email, user_id, created_at)
         values ($1, $2, $3, $4)
         on conflict (bucket, email) do update set created_at = excluded.created_at
         where claim.user_id = excluded.user_id",
        bucket_of(email),
        email.as_str(),
        user.0,
        now,
    );
    Ok(done.execute(db).await?.rows_affected() == 1)
}

/// Passes an address on, unless somebody else was faster.
pub(crate) async fn take_over_email(
    db: &mut PgConnection,
    email: &Email,
    from: &Claim,
    to: UserId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update users.emails set user_id = $3, created_at = $4
         where bucket = $1 and email = $2 and user_id = $5 and created_at = $6",
        bucket_of(email),
        email.as_str(),
        to.0,
        now,
        from.user_id.0,
        from.created_at,
    );
    Ok(done.execute(db).await?.rows_affected() == 1)
}

pub(crate) async fn claim(db: &mut PgConnection, email: &Email) -> Result<Option<Claim>> {
    let row = sqlx::query!(
        "select user_id, created_at from users.emails where bucket = $1 and email = $2",
        bucket_of(email),
        email.as_str(),
    );
    Ok(row.fetch_optional(db).await?.map(|row| Claim {
        user_id: UserId(row.user_id),
        created_at: row.created_at,
    }))
}

/// Creates the user unless there is one with this id.
pub(crate) async fn create_user(
    db: &mut PgConnection,
    user: &User,
    password_hash: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into users.users (bucket, id, email, name, password_hash, staff, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (bucket, id) do nothing",
        i16::from(user.id.bucket()),
        user.id.0,
        user.email.as_str(),
        user.name.as_str(),
        password_hash,
        user.staff,
        user.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn user(db: &mut PgConnection, id: UserId) -> Result<Option<User>> {
    let row = sqlx::query_as!(
        UserRow,
        "select id, email, name, staff, created_at from users.users
         where bucket = $1 and id = $2",
        i16::from(id.bucket()),
        id.0,
    );
    row.fetch_optional(db)
        .await?
        .map(User::try_from)
        .transpose()
}

/// The user and the hash of his password.
pub(crate) async fn account(db: &mut PgConnection, id: UserId) -> Result<Option<(User, String)>> {
    let row = sqlx::query!(
        "select id, email, name, staff, created_at, password_hash from users.users
         where bucket = $1 and id = $2",
        i16::from(id.bucket()),
        id.0,
    );
    let Some(row) = row.fetch_optional(db).await? else {
        return Ok(None);
    };
    let user = UserRow {
        id: row.id,
        email: row.email,
        name: row.name,
        staff: row.staff,
        created_at: row.created_at,
    };
    Ok(Some((user.try_into()?, row.password_hash)))
}

/// The user as he is now, and the version of his row.
pub(crate) async fn rename(
    db: &mut PgConnection,
    id: UserId,
    name: &PersonName,
) -> Result<Option<(User, i64)>> {
    let row = sqlx::query!(
        "update users.users set name = $3 where bucket = $1 and id = $2
         returning id, email, name, staff, created_at, version",
        i16::from(id.bucket()),
        id.0,
        name.as_str(),
    );
    let Some(row) = row.fetch_optional(db).await? else {
        return Ok(None);
    };
    let user = UserRow {
        id: row.id,
        email: row.email,
        name: row.name,
        staff: row.staff,
        created_at: row.created_at,
    };
    Ok(Some((user.try_into()?, row.version)))
}

/// Who these users are, each with the version of his row.
pub(crate) async fn identities(
    db: &mut PgConnection,
    bucket: Bucket,
    ids: &[Uuid],
) -> Result<Vec<Versioned<Identity>>> {
    let rows = sqlx::query!(
        "select id, email, name, staff, version from users.users
         where bucket = $1 and id = any($2)",
        i16::from(bucket),
        ids,
    );
    let rows = rows.fetch_all(db).await?.into_iter();
    rows.map(|row| {
        let value = identity(row.id, row.email, row.name, row.staff)?;
        Ok(Versioned {
            version: row.version,
            value,
        })
    })
    .collect()
}

struct UserRow {
    id: Uuid,
    email: String,
    name: String,
    staff: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<UserRow> for User {
    type Error = db::Error;

    fn try_from(row: UserRow) -> Result<User> {
        Ok(User {
            id: UserId(row.id),
            email: parsed(row.email)?,
            name: parsed(row.name)?,
            staff: row.staff,
            created_at: row.created_at,
        })
    }
}

fn identity(id: Uuid, email: String, name: String, staff: bool) -> Result<Identity> {
    Ok(Identity {
        user_id: UserId(id),
        email: parsed(email)?,
        name: parsed(name)?,
        staff,
    })
}

fn parsed<T: TryFrom<String, Error = contract::ids::Malformed>>(text: String) -> Result<T> {
    let parsed = T::try_from(text);
    Ok(parsed.map_err(|error| sqlx::Error::Decode(error.into()))?)
}

fn bucket_of(email: &Email) -> i16 {
    Bucket::of(email.as_str().as_bytes()).into()
}
