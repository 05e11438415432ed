export default {
  fetch(request) {
    const flags = request.headers.get("serin-flags");
    return new Response(`canary answers, with ${flags}\n`);
  },
};
