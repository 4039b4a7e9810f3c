-- The catalogue, how many there are of each thing, and who holds some.
--
-- The books: for each sku, sum(restocks.delta) = stock.available + what is held or confirmed.

create table inventory.categories (
    slug text primary key,
    name text not null,
    -- The shop's order.
    position smallint not null unique
);

create table inventory.products (
    -- Sorted by bytes: the order in which the catalogue is shown, and stock is locked.
    sku text collate "C" primary key check (sku ~ '^[A-Z0-9-]{1,32}$'),
    name text not null,
    description text not null,
    category text not null references inventory.categories,
    price_cents bigint not null check (price_cents > 0),
    search tsvector not null generated always as (to_tsvector('english', name || ' ' || description)) stored
);

create index products_by_category on inventory.products (category, sku);
create index products_by_word on inventory.products using gin (search);

create table inventory.stock (
    sku text collate "C" primary key references inventory.products,
    available int not null constraint stock_not_negative check (available >= 0)
    -- Half of each page stays free: a sale then writes its row's new version beside the old one and
    -- touches no index.
) with (fillfactor = 50);

-- Every change of stock that is not a sale, the opening balance included.
create table inventory.restocks (
    id uuid primary key,
    sku text collate "C" not null references inventory.products,
    delta int not null,
    created_at timestamptz not null default now()
);

create table inventory.reservations (
    -- The order's.
    id uuid primary key,
    -- 'released' without lines: given up before it was ever taken.
    state text not null check (state in ('held', 'confirmed', 'released')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index reservations_held on inventory.reservations (created_at) where state = 'held';

create table inventory.reservation_lines (
    reservation_id uuid not null references inventory.reservations,
    sku text collate "C" not null,
    quantity int not null check (quantity > 0),
    -- As they were at the moment of reservation: what the buyer was told.
    name text not null,
    price_cents bigint not null,
    primary key (reservation_id, sku)
);
