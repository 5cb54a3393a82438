// The rules of orders, as the server that takes them wrote them into the page: none stands here a second time.

const written = document.getElementById("order-rules");

export const rules = written ? JSON.parse(written.textContent) : {};

/** Return times in force as a form offers them: good till a date is gtc with a date. */
export const offered = (times) => times.flatMap((time) => (time === "gtc" ? [time, "gtd"] : [time]));
