// The floor: workerd answering a request.
export default {
  fetch() {
    return new Response('{"content": "constant"}', {
      headers: { "content-type": "application/json" },
    });
  },
};
