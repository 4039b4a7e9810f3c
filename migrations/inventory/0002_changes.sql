-- What caches must hear of. Each change of a product or of its stock gives the row in `stock` a new
-- version, and leaves word in the outbox within the same transaction. By triggers, so that none forgets
-- it: no query of the shop, no program of an older version, no hand with psql.

alter table inventory.stock add column version bigint not null default 1;

-- Rows are there for milliseconds: the feed tells the cache, and deletes them.
create table inventory.outbox (
    id bigint generated always as identity primary key,
    sku text collate "C" not null,
    version bigint not null
);

create function inventory.note_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        new.version := old.version + 1;
    end if;
    insert into inventory.outbox (sku, version) values (new.sku, new.version);
    return new;
end
$$;

-- A new product, too: it may be known that there is none.
create trigger stock_changes before insert or update on inventory.stock
    for each row execute function inventory.note_change();

-- Name, description, price: shown together with the stock, under its version.
create function inventory.note_product() returns trigger language plpgsql as $$
begin
    update inventory.stock set version = version where sku = new.sku;
    return null;
end
$$;

create trigger product_changes after update on inventory.products
    for each row execute function inventory.note_product();
