// Runs the test's commands one after another: each page fills `commands` and calls `obey()`.
const commands = { hello: () => navigator.userAgent };

async function obey() {
  for (;;) {
    const next = await (await fetch("/next")).json();
    if (!next) continue;
    let answer;
    try {
      answer = { result: await commands[next.function](...next.arguments) };
    } catch (error) {
      answer = { error: String(error && (error.stack || error)) };
    }
    await fetch("/result", { method: "POST", body: JSON.stringify(answer) });
  }
}
