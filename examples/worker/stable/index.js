export default {
  fetch(request) {
    const flags = request.headers.get("serin-flags");
    return new Response(`stable answers, with ${flags}\n`);
  },
};
