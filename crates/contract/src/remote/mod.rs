//! The three domains over HTTP: each call is `POST /internal/<domain>/<call>` with a JSON body.
//!
//! Generic over [`tower::Service`], so that tests call a router in memory and stage 8 a connection
//! pool. Deadline, request id and trace go along as headers; the callee's hops come back.

mod inventory;
mod orders;
mod users;

pub use inventory::HttpInventory;
pub use orders::HttpOrders;
pub use users::HttpUsers;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::{Service, ServiceExt};

use crate::context::{Ctx, Hop};
use crate::fault::Fault;
use crate::problem::Problem;

/// Milliseconds that the caller will still wait.
pub const DEADLINE_HEADER: &str = "x-deadline-ms";
pub const REQUEST_ID_HEADER: &str = "x-request-id";
pub const TRACEPARENT_HEADER: &str = "traceparent";
pub const SERVER_TIMING_HEADER: &str = "server-timing";

/// A request and its answer between services of ours. The public API is another thing.
pub trait Call: Serialize + DeserializeOwned + Send + Sync {
    /// `/internal/<domain>/<call>`.
    const PATH: &'static str;
    type Answer: Serialize + DeserializeOwned + Send;
}

macro_rules! call {
    ($path:literal, $(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? } -> $answer:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct $name { $(pub $field: $type),* }

        impl crate::remote::Call for $name {
            const PATH: &'static str = $path;
            type Answer = $answer;
        }
    };
}

/// The calls of each domain, for its routes and its client.
pub mod calls {
    pub mod users {
        use crate::UserId;
        use crate::text::PersonName;
        use crate::users::{Credentials, Identity, LoggedIn, NewUser, SessionToken, User};

        call!("/internal/users/register", Register { id: UserId, new: NewUser } -> User);
        call!("/internal/users/log_in", LogIn { credentials: Credentials, client: std::net::IpAddr } -> LoggedIn);
        call!("/internal/users/log_out", LogOut { token: SessionToken } -> ());
        call!("/internal/users/log_out_everywhere", LogOutEverywhere { id: UserId } -> ());
        call!("/internal/users/authenticate", Authenticate { token: SessionToken } -> Option<Identity>);
        call!("/internal/users/user", GetUser { id: UserId } -> Option<User>);
        call!("/internal/users/rename", Rename { id: UserId, name: PersonName } -> User);
    }

    pub mod inventory {
        use crate::inventory::{
            Category, Line, PricedLine, Product, ProductQuery, StockDelta, StockLevel,
        };
        use crate::{OrderId, Page, RestockId, Sku};

        call!("/internal/inventory/categories", Categories {} -> Vec<Category>);
        call!("/internal/inventory/products", Products { query: ProductQuery } -> Page<Product>);
        call!("/internal/inventory/product", GetProduct { sku: Sku } -> Option<Product>);
        call!("/internal/inventory/products_by_sku", ProductsBySku { skus: Vec<Sku> } -> Vec<Product>);
        call!("/internal/inventory/restock", Restock { id: RestockId, sku: Sku, delta: StockDelta } -> StockLevel);
        call!("/internal/inventory/reserve", Reserve { order: OrderId, lines: Vec<Line> } -> Vec<PricedLine>);
        call!("/internal/inventory/confirm", Confirm { orders: Vec<OrderId> } -> ());
        call!("/internal/inventory/release", Release { order: OrderId } -> ());
        call!("/internal/inventory/overdue", Overdue { limit: u32 } -> Vec<OrderId>);
    }

    pub mod orders {
        use crate::inventory::Quantity;
        use crate::orders::{
            Buyer, Cart, Listing, NewOrder, Order, Placement, ReportDays, SalesReport,
        };
        use crate::{IdempotencyKey, OrderId, Page, PageQuery, Sku, UserId};

        call!("/internal/orders/cart", GetCart { user: UserId } -> Cart);
        call!("/internal/orders/put_cart_item", PutCartItem { user: UserId, sku: Sku, quantity: Quantity } -> Cart);
        call!("/internal/orders/add_cart_item", AddCartItem { user: UserId, sku: Sku, quantity: Quantity } -> Cart);
        call!("/internal/orders/remove_cart_item", RemoveCartItem { user: UserId, sku: Sku } -> Cart);
        call!("/internal/orders/place_order", PlaceOrder { buyer: Buyer, key: IdempotencyKey, new: NewOrder } -> Placement);
        call!("/internal/orders/orders", ListOrders { user: UserId, page: PageQuery } -> Page<Order>);
        call!("/internal/orders/order", GetOrder { user: UserId, id: OrderId } -> Option<Order>);
        call!("/internal/orders/cancel_order", CancelOrder { user: UserId, id: OrderId } -> Order);
        call!("/internal/orders/all_orders", AllOrders { page: PageQuery } -> Listing);
        call!("/internal/orders/sales_report", GetSalesReport { days: ReportDays } -> SalesReport);
    }
}

/// What a client needs of its transport: a connection pool, or a router in a test.
pub trait Transport:
    Service<
        Request<Full<Bytes>>,
        Response = Response<Self::Body>,
        Error = Self::Failure,
        Future = Self::Pending,
    > + Clone
    + Send
    + Sync
    + 'static
{
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send;
    type Failure: Into<BoxError>;
    type Pending: Future<Output = Result<Response<Self::Body>, Self::Failure>> + Send;
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, B> Transport for S
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send,
{
    type Body = B;
    type Failure = S::Error;
    type Pending = S::Future;
}

/// One domain at the other end of a transport.
#[derive(Debug, Clone)]
pub(crate) struct Remote<S> {
    transport: S,
    /// `http://inventory:8080`, without a slash at the end.
    base: String,
}

/// Bounds an answer: the largest is a page of 100 orders of 50 lines, below 2 MB.
const MAX_ANSWER: usize = 8 << 20;

impl<S: Transport> Remote<S> {
    fn new(transport: S, base: impl Into<String>) -> Remote<S> {
        Remote {
            transport,
            base: base.into(),
        }
    }

    /// Answers what the callee answered, or why it did not.
    async fn call<C: Call, E: From<Problem> + From<Fault>>(
        &self,
        ctx: &Ctx,
        call: C,
    ) -> Result<C::Answer, E> {
        let left = ctx.remaining()?;
        match tokio::time::timeout(left, self.exchange(ctx, &call, left.as_millis())).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(problem))) => Err(problem.into()),
            Ok(Err(fault)) => Err(fault.into()),
            Err(_) => Err(Fault::DeadlineExceeded.into()),
        }
    }

    async fn exchange<C: Call>(
        &self,
        ctx: &Ctx,
        call: &C,
        left_ms: u128,
    ) -> Result<Result<C::Answer, Problem>, Fault> {
        let body = serde_json::to_vec(call).map_err(Fault::internal)?;
        let mut request = Request::post(format!("{}{}", self.base, C::PATH))
            .header(header::CONTENT_TYPE, "application/json")
            .header(REQUEST_ID_HEADER, ctx.request_id())
            .header(DEADLINE_HEADER, left_ms.to_string());
        if let Some(traceparent) = ctx.traceparent() {
            request = request.header(TRACEPARENT_HEADER, traceparent);
        }
        let request = request.body(Full::from(body)).map_err(Fault::internal)?;

        let away =
            |error: BoxError| Fault::Unavailable(format!("{}{}: {error}", self.base, C::PATH));
        let answer = self
            .transport
            .clone()
            .oneshot(request)
            .await
            .map_err(|e| away(e.into()))?;
        let (head, body) = answer.into_parts();
        for timing in head.headers.get_all(SERVER_TIMING_HEADER) {
            for hop in Hop::parse_header(timing.to_str().unwrap_or_default()) {
                ctx.record(hop.metric, hop.desc, hop.duration);
            }
        }
        let body = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(away)?
            .to_bytes();
        if head.status.is_success() {
            let answer = serde_json::from_slice(&body);
            return answer
                .map(Ok)
                .map_err(|e| Fault::Internal(format!("{} answered: {e}", C::PATH)));
        }
        let problem = serde_json::from_slice(&body)
            .map_err(|_| Fault::Unavailable(format!("{} answered {}", C::PATH, head.status)))?;
        Ok(Err(problem))
    }
}
