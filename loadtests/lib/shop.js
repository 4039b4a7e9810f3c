// The shop as a client sees it: visitors who look, shoppers who buy. Every request carries a `name`
// tag, so that figures are told apart by what was asked, not by address.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { randomInt, randomKey, pick } from './random.js';

export const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const PASSWORD = 'correct horse';
const JSON_HEADERS = { 'Content-Type': 'application/json' };

// The tag of every request and check of a run: which stage it ran against.
export const TAGS = { stage: __ENV.STAGE || 'unknown' };

// How many shoppers are seeded (`SEED_USERS`).
const SHOPPERS = Number(__ENV.SEED_USERS || 50000);

function params(name, session, headers) {
  const authorization = session ? { Authorization: `Bearer ${session.token}` } : {};
  return { tags: { name }, headers: Object.assign({}, headers, authorization), timeout: '10s' };
}

// Logs a shopper in; null when the shop would not.
export function logIn(number = randomInt(1, SHOPPERS)) {
  return logInAs(`shopper-${String(number).padStart(5, '0')}@example.test`);
}

export const logInStaff = () => logInAs('staff@example.test');

function logInAs(email) {
  const answer = http.post(
    `${BASE_URL}/api/v1/sessions`,
    JSON.stringify({ email, password: PASSWORD }),
    // Somebody else's browser each time: who has a session already ends it by logging in.
    Object.assign(params('log in', null, JSON_HEADERS), { jar: new http.CookieJar() }),
  );
  const ok = check(answer, { 'logged in': (r) => r.status === 201 });
  return ok ? { token: answer.json('token'), email } : null;
}

// What there is to look at and to buy, for `setup()`: up to `pages` pages of the catalogue, and of each
// product what a load needs. Each of k6's clients unpacks a copy for itself when its first request is due:
// whole products took all of the machine for seconds, right when the load began.
export function catalogue(pages = 3) {
  const products = [];
  let cursor = '';
  for (let page = 0; page < pages; page += 1) {
    const answer = http.get(
      `${BASE_URL}/api/v1/products?limit=100${cursor && `&cursor=${cursor}`}`,
      params('catalogue'),
    );
    if (answer.status !== 200) throw new Error(`the catalogue answered ${answer.status}`);
    products.push(...answer.json('items').map(({ sku, name, category }) => ({ sku, name, category })));
    cursor = answer.json('next');
    if (!cursor) break;
  }
  return products;
}

// A session that is lost leads to /login: that is not the page that was asked for.
const PAGE = { redirects: 0, responseCallback: http.expectedStatuses(200) };

function page(name, path, session) {
  const cookies = session ? { Cookie: `session=${session.token}` } : {};
  const answer = http.get(BASE_URL + path, Object.assign({ tags: { name }, headers: cookies, timeout: '10s' }, PAGE));
  check(answer, {
    'page is served': (r) => r.status === 200,
    'page is whole': (r) => r.body !== null && r.body.includes('</html>'),
  });
  return answer;
}

export const home = (session) => page('home', '/', session);
export const list = (category, session) => page('list', `/products?category=${category}`, session);
export const search = (words) => page('search', `/products?q=${encodeURIComponent(words)}`);
export const product = (sku, session) => page('product', `/products/${sku}`, session);
export const orders = (session) => page('orders', '/orders', session);
export const salesReport = (session) => page('sales report', '/reports/sales', session);

export function putIntoCart(session, sku, quantity = 1) {
  const answer = http.put(
    `${BASE_URL}/api/v1/cart/items/${sku}`,
    JSON.stringify({ quantity }),
    params('put into cart', session, JSON_HEADERS),
  );
  check(answer, { 'in the cart': (r) => r.status === 200 });
}

const acknowledged = new Counter('orders_acknowledged');

// Sold, or refused for good reason. Both are answers, not failures.
const BUYING = { responseCallback: http.expectedStatuses(201, 409) };

// Buys, and repeats with the same key when nobody answered, as a good client does. Writes down each
// key it tries and every order that the shop acknowledged: `./stage audit` holds the shop to them.
export function buy(session, skus, attempts = 3) {
  const lines = skus.map((sku) => ({ sku, quantity: 1 }));
  const key = randomKey();
  const headers = Object.assign({ 'Idempotency-Key': key }, JSON_HEADERS);
  const request = Object.assign(params('buy', session, headers), BUYING);
  console.log(`tried ${key}`);
  let answer;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    answer = http.post(`${BASE_URL}/api/v1/orders`, JSON.stringify({ lines }), request);
    if (answer.status === 201) {
      console.log(`acknowledged ${answer.json('id')} ${key}`);
      acknowledged.add(1);
      break;
    }
    if (answer.status !== 0 && answer.status < 500) break;
  }
  check(answer, {
    'order is acknowledged, or refused for good reason': (r) =>
      r.status === 201 || (r.status === 409 && r.json('type') === '/problems/out-of-stock'),
  });
  return answer;
}

// A few different SKUs.
export function someSkus(products, most = 3) {
  const skus = new Set();
  for (let n = randomInt(1, most); n > 0; n -= 1) skus.add(pick(products).sku);
  return Array.from(skus);
}
