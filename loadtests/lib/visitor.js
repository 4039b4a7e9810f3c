// Somebody with a browser that has nothing in its cache: a page, and all that it is made of.
import http from 'k6/http';
import { check } from 'k6';
import { BASE_URL } from './shop.js';

// As browsers ask, so that they get what browsers get.
const BROWSER = { 'Accept-Encoding': 'gzip, deflate, br', Accept: 'image/webp,*/*' };

// Addresses of pictures, style sheets and scripts on a page: of a picture in several forms, the first.
export function addresses(html) {
  const found = new Set();
  const sources = [
    /<picture>\s*<source[^>]* srcset="([^" ]+)/g,
    /<img[^>]* src="([^"]+)"/g,
    /<script[^>]* src="([^"]+)"/g,
    /<link rel="(?:stylesheet|icon)" href="([^"]+)"/g,
  ];
  const plain = html.replace(/(<picture>\s*<source[^>]*>)\s*<img[^>]*>/g, '$1');
  for (const source of sources) {
    for (let match = source.exec(plain); match; match = source.exec(plain)) found.add(match[1]);
  }
  return Array.from(found, (address) => (address.startsWith('/') ? BASE_URL + address : address));
}

export function ask(address) {
  return http.get(address, { tags: { name: 'asset' }, headers: BROWSER, responseType: 'none', timeout: '10s' });
}

// How many bytes came from where: from the origin, be it by way of a cache, or from what a cache had.
export function visit(path) {
  const page = http.get(BASE_URL + path, { tags: { name: 'page' }, headers: BROWSER, timeout: '10s' });
  check(page, { 'page is served': (r) => r.status === 200 && r.body.includes('</html>') });
  const bytes = { origin: page.body ? page.body.length : 0, cdn: 0 };
  if (page.status !== 200) return bytes;
  const requests = addresses(page.body).map((address) => [
    'GET',
    address,
    null,
    { tags: { name: 'asset' }, headers: BROWSER, responseType: 'none', timeout: '30s' },
  ]);
  for (const answer of http.batch(requests)) {
    check(answer, { 'asset is served': (r) => r.status === 200 });
    const length = Number(answer.headers['Content-Length'] || 0);
    // What a cache had to ask for left the origin, too.
    const told = answer.headers['Cache-Status'];
    const isStored = told !== undefined && (told.includes('; hit') || told.includes('; collapsed'));
    if (isStored) bytes.cdn += length;
    else bytes.origin += length;
  }
  return bytes;
}
