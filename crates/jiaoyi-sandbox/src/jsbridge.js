// Plays WeixinJSBridge in a browser test. Everything is simulated; no money moves.
(function () {
  "use strict";
  var base = "{{BASE}}";
  var request = "get_brand_wcpay_request:";
  var buttons = [
    ["pay", "支付成功"], ["low", "余额不足"], ["cancel", "取消"], ["no_result", "一直没结果"],
    ["notify_twice", "通知两次"], ["wrong_amount", "通知金额不符"], ["notify_late", "晚到的通知"],
    ["pay_after_close", "关单后仍支付"]
  ];

  function post(url, body, type) {
    return fetch(url, {
      method: "POST", body: body,
      headers: { "Content-Type": type, "Accept": "application/json" }
    }).then(function (answer) { return answer.json(); });
  }

  // Asks the person with a plain dialog, or takes window.sandboxWalletAct.
  function decide(opened) {
    if (window.sandboxWalletAct) return Promise.resolve(window.sandboxWalletAct);
    return new Promise(function (resolve) {
      var dialog = document.createElement("dialog");
      var title = document.createElement("p");
      dialog.lang = "zh-CN";
      title.textContent = "演示环境：不是真的缴费。" + opened.description + " " + opened.amount + " 元";
      dialog.appendChild(title);
      buttons.forEach(function (pair) {
        var button = document.createElement("button");
        button.type = "button";
        button.name = "do";
        button.value = pair[0];
        button.textContent = pair[1];
        button.style.cssText = "display:block;width:100%;min-height:48px;margin:8px 0;font-size:18px";
        button.addEventListener("click", function () {
          dialog.close();
          dialog.remove();
          resolve(pair[0]);
        });
        dialog.appendChild(button);
      });
      document.body.appendChild(dialog);
      dialog.showModal();
    });
  }

  function pay(parameters, done) {
    post(base + "/_sandbox/jsbridge/invoke", JSON.stringify(parameters), "text/plain")
      .then(function (opened) {
        if (!opened.wallet) {
          done({ err_msg: request + "fail", err_desc: opened.err_desc });
          return;
        }
        return decide(opened).then(function (act) {
          return post(opened.wallet + "/act", "do=" + encodeURIComponent(act), "application/x-www-form-urlencoded");
        }).then(function (answer) {
          var told = answer.result === "paid" ? "ok" : answer.result === "closed" ? "fail" : "cancel";
          done({ err_msg: request + told });
        });
      })
      .catch(function (error) {
        done({ err_msg: request + "fail", err_desc: String(error) });
      });
  }

  window.WeixinJSBridge = {
    invoke: function (name, parameters, callback) {
      var done = callback || function () {};
      if (name === "getBrandWCPayRequest") pay(parameters, done);
      else done({ err_msg: name + ":fail" });
    },
    on: function () {},
    call: function () {}
  };

  function ready() { document.dispatchEvent(new Event("WeixinJSBridgeReady")); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else setTimeout(ready, 0);
})();
