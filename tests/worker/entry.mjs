// The built Worker with a clock and entropy that a vector sets through `cf`, which no client can write on
// Cloudflare.
import worker from "./worker.js";

const now = Date.now;
const getRandomValues = crypto.getRandomValues.bind(crypto);

function fill(digits) {
  return (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    bytes.forEach((_, at) => { bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16); });
    return array;
  };
}

export default {
  fetch(request, env, context) {
    const test = request.cf?.test ?? {};
    Date.now = test.now === undefined ? now : () => test.now;
    crypto.getRandomValues = test.entropy === undefined ? getRandomValues : fill(test.entropy);
    const secure = test.scheme === "https" ? new Request(`https${request.url.slice(4)}`, request) : request;
    return worker.fetch(secure, env, context);
  },
};
