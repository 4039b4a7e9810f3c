use std::net::IpAddr;

use super::calls::users::{
    Authenticate, GetUser, LogIn, LogOut, LogOutEverywhere, Register, Rename,
};
use super::{Remote, Transport};
use crate::context::Ctx;
use crate::ids::UserId;
use crate::text::PersonName;
use crate::users::{
    Credentials, Identity, LoggedIn, NewUser, SessionToken, User, Users, UsersError,
};

/// [`Users`] in another process.
#[derive(Debug, Clone)]
pub struct HttpUsers<S>(Remote<S>);

impl<S: Transport> HttpUsers<S> {
    pub fn new(transport: S, base: impl Into<String>) -> Self {
        HttpUsers(Remote::new(transport, base))
    }
}

#[async_trait::async_trait]
impl<S: Transport> Users for HttpUsers<S> {
    async fn register(&self, ctx: &Ctx, id: UserId, new: NewUser) -> Result<User, UsersError> {
        self.0.call(ctx, Register { id, new }).await
    }

    async fn log_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials,
        client: IpAddr,
    ) -> Result<LoggedIn, UsersError> {
        self.0
            .call(
                ctx,
                LogIn {
                    credentials,
                    client,
                },
            )
            .await
    }

    async fn log_out(&self, ctx: &Ctx, token: &SessionToken) -> Result<(), UsersError> {
        self.0
            .call(
                ctx,
                LogOut {
                    token: token.clone(),
                },
            )
            .await
    }

    async fn log_out_everywhere(&self, ctx: &Ctx, id: UserId) -> Result<(), UsersError> {
        self.0.call(ctx, LogOutEverywhere { id }).await
    }

    async fn authenticate(
        &self,
        ctx: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        self.0
            .call(
                ctx,
                Authenticate {
                    token: token.clone(),
                },
            )
            .await
    }

    async fn user(&self, ctx: &Ctx, id: UserId) -> Result<Option<User>, UsersError> {
        self.0.call(ctx, GetUser { id }).await
    }

    async fn rename(&self, ctx: &Ctx, id: UserId, name: PersonName) -> Result<User, UsersError> {
        self.0.call(ctx, Rename { id, name }).await
    }
}
