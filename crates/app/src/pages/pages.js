// The pages that mails link to: verification, password reset, one letter.
"use strict";

const form = document.querySelector("form");
const show = (role, text) => { document.querySelector(`[role="${role}"]`).textContent = text; };

async function call(method, path, body, token) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) {
    const fields = Object.entries(answer.errors ?? {}).map(([name, reason]) => `${name}: ${reason}`);
    throw new Error([answer.message, ...fields].join("\n"));
  }
  return answer.data;
}

const mailedToken = () => new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

async function letter(token) {
  const id = encodeURIComponent(location.pathname.split("/").pop());
  const mail = await call("GET", `/mails/${id}`, null, token);
  document.getElementById("title").textContent = mail.title;
  document.getElementById("about").textContent = `${mail.sender.username} · ${mail.deliveryTime ?? mail.sendTime ?? ""}`;
  document.getElementById("content").textContent = mail.content ?? "";
  const list = document.getElementById("attachments");
  for (const attachment of mail.attachments) {
    const item = document.createElement("li");
    item.append(await link(attachment, token));
    list.append(item);
  }
  form.hidden = true;
  return mail;
}

// Our files want the token, which a plain link cannot carry.
async function link(attachment, token) {
  const a = document.createElement("a");
  a.textContent = attachment.type;
  a.rel = "noreferrer";
  if (!attachment.url.startsWith(location.origin)) {
    a.href = attachment.url;
    return a;
  }
  const response = await fetch(attachment.url, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
  a.href = URL.createObjectURL(await response.blob());
  a.download = "";
  return a;
}

// What the address behind a mailed link refuses; the buttons say what pressing them would change.
let refused = {};
function showRefused(state) {
  refused = state;
  document.getElementById("about").textContent = `${state.address} ← ${state.sender}`;
  document.getElementById("emails").textContent = state.letterEmails
    ? "不再用邮件接收任何人的信 / No more letters by e-mail, from anyone"
    : "重新用邮件接收来信 / Letters by e-mail again";
  document.getElementById("block").textContent = state.senderBlocked
    ? `不再屏蔽 ${state.sender} / Let this sender through again`
    : `屏蔽 ${state.sender} / Block this sender`;
}
const refusal = () => `/unsubscribe/${encodeURIComponent(mailedToken())}`;

const submit = {
  async refuse(fields, how) {
    if (how === "report") {
      const report = { reason: fields.get("reason"), text: fields.get("text") || null };
      await call("POST", `${refusal()}/report`, report);
      show("status", "已收到您的举报。/ Your report was received.");
      return;
    }
    const change = how === "emails" ? { letterEmails: !refused.letterEmails } : { senderBlocked: !refused.senderBlocked };
    showRefused(await call("PUT", refusal(), change));
    show("status", "已保存。/ Saved.");
  },
  async verify() {
    await call("POST", "/auth/verify-email", { token: mailedToken() });
    show("status", "邮箱已确认。/ Your address is confirmed.");
    form.hidden = true;
  },
  async reset(fields) {
    await call("POST", "/auth/password/reset", { token: mailedToken(), password: fields.get("password") });
    show("status", "密码已保存，请重新登录。/ Your password is saved, sign in anew.");
    form.hidden = true;
  },
  async letter(fields, how) {
    const who = { email: fields.get("email"), password: fields.get("password") };
    if (how === "register") who.username = who.email.split("@")[0];
    const { token } = await call("POST", `/auth/${how}`, who);
    const mail = await letter(token).catch((error) => {
      if (how !== "register") throw error;
      throw new Error("请打开我们刚寄出的确认邮件中的链接，然后登录。\nOpen the link that was just mailed to you, then sign in.");
    });
    if (mail.isEncrypted) {
      const opened = await call("POST", `/mails/${mail.mailId}/unlock`, { password: fields.get("password") }, token);
      document.getElementById("content").textContent = opened.content;
    }
  },
};

const page = document.body.dataset.page;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  show("alert", "");
  try {
    await submit[page](new FormData(form), event.submitter?.value || "login");
  } catch (error) {
    show("alert", error.message);
  }
});
if (page === "refuse") {
  call("GET", refusal()).then(showRefused, (error) => { form.hidden = true; show("alert", error.message); });
}
if (page === "letter") {
  letter(null).then((mail) => { form.hidden = !mail.isEncrypted; }, () => { form.hidden = false; });
}
