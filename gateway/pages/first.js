// The page of the one-time link: sends what was typed, with the code behind the #.
"use strict";

const form = document.getElementById("first");
const answer = document.getElementById("answer");
const code = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname); // the code stays in no history

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { login, displayName, password, again } = Object.fromEntries(new FormData(form));
  if (password !== again) {
    answer.textContent = "两次输入的密码不一致。";
    return;
  }
  const reply = await fetch("/v1/accounts:claimFirst", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Accept-Language": "zh" },
    body: JSON.stringify({ code, login, displayName, password }),
  });
  if (reply.ok) {
    form.hidden = true;
    answer.textContent = "账号已建立,请用登录名和密码登录。";
    return;
  }
  const problem = await reply.json().catch(() => ({}));
  answer.textContent = problem.detail || `失败(${reply.status})。`;
});
