// Finds the number whose hash is asked for (ALTCHA's proof of work, https://altcha.org/docs/), beside the page.

const encoder = new TextEncoder();
const AT_ONCE = 256;

async function digestOf(algorithm, text) {
  const bytes = new Uint8Array(await crypto.subtle.digest(algorithm, encoder.encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

onmessage = async ({ data: { algorithm, challenge, maxnumber, salt } }) => {
  for (let first = 0; first <= maxnumber; first += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, maxnumber - first + 1) }, (_, index) => first + index);
    const digests = await Promise.all(numbers.map((number) => digestOf(algorithm, salt + number)));
    const found = digests.indexOf(challenge);
    if (found >= 0) return postMessage({ number: first + found });
  }
  postMessage({ number: null });
};
