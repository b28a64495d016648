// Calls WeChat's payment sheet. Without this file, or outside WeChat, the form changes to a QR code.
(function () {
  'use strict';
  var form = document.getElementById('jsapi');
  if (!form) return;
  var data = form.dataset;
  var once = 'jy-' + data.order;

  function pay() {
    window.WeixinJSBridge.invoke('getBrandWCPayRequest', {
      appId: data.appId,
      timeStamp: data.timeStamp,
      nonceStr: data.nonceStr,
      package: data.package,
      signType: data.signType,
      paySign: data.paySign
    }, function (answer) {
      // "ok" is only a hint; our own page asks the channel. After a cancel the page stays as it is.
      if (answer.err_msg === 'get_brand_wcpay_request:ok') location.replace(data.done);
    });
  }

  form.addEventListener('submit', function (event) {
    if (!window.WeixinJSBridge) return;
    event.preventDefault();
    pay();
  });

  // The sheet opens by itself the first time, so that nobody has to tap twice.
  function first() {
    try {
      if (sessionStorage.getItem(once)) return;
      sessionStorage.setItem(once, '1');
    } catch (none) {
      return;
    }
    pay();
  }
  if (window.WeixinJSBridge) first();
  else document.addEventListener('WeixinJSBridgeReady', first, false);
})();
