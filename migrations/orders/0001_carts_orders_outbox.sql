-- The schema `orders` itself is made by the migrator (see crates/orders/sqlx.toml).
--
-- Every row belongs to a user, and so to one of 256 buckets: `bucket` comes first in every primary
-- key, since buckets move between shards. They move table by table, hence no foreign keys: lines
-- are written in one transaction with their order, never apart, and the audit checks that.

create table orders.orders (
    bucket       smallint    not null check (bucket between 0 and 255),
    -- Derived from user and Idempotency-Key: this key is what makes a checkout happen once.
    id           uuid        not null,
    user_id      uuid,
    -- 'abandoned' is a tombstone: nobody's order, only the decision that there will never be one.
    status       text        not null
                 check (status in ('placed', 'cancelled', 'delivered', 'abandoned')),
    -- SHA-256 of the lines as requested.
    request_hash bytea,
    total_cents  bigint      not null check (total_cents >= 0),
    created_at   timestamptz not null default now(),
    constraint orders_pkey primary key (bucket, id),
    constraint orders_abandoned_is_nobodys check (
        num_nulls(user_id, request_hash) = case when status = 'abandoned' then 2 else 0 end
    )
);

-- A user's orders, newest first.
create index orders_of_user on orders.orders (bucket, user_id, created_at desc, id desc);

-- Everybody's, newest first; and the days of the sales report.
create index orders_newest on orders.orders (created_at desc, id desc)
    where status <> 'abandoned';

create table orders.order_lines (
    bucket      smallint not null,
    order_id    uuid     not null,
    -- Collated as Rust compares, so that lines come back in the order in which they went in.
    sku         text     not null collate "C",
    name        text     not null,
    quantity    integer  not null check (quantity > 0),
    price_cents bigint   not null check (price_cents >= 0),
    constraint order_lines_pkey primary key (bucket, order_id, sku)
);

create table orders.cart_items (
    bucket   smallint    not null check (bucket between 0 and 255),
    user_id  uuid        not null,
    sku      text        not null collate "C",
    quantity integer     not null check (quantity > 0),
    added_at timestamptz not null default now(),
    constraint cart_items_pkey primary key (bucket, user_id, sku)
);

-- What the world must still hear of; a row goes when it is delivered.
create table orders.outbox (
    bucket          smallint    not null check (bucket between 0 and 255),
    id              uuid        not null,
    kind            text        not null,
    payload         jsonb       not null,
    created_at      timestamptz not null default now(),
    -- Failed deliveries so far, and when to try again.
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null default now(),
    constraint outbox_pkey primary key (bucket, id)
);

create index outbox_due on orders.outbox (next_attempt_at);
