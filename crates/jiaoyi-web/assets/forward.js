// Sends the form that leads to the cashier, once. Without this file the payer presses the button.
(function () {
  'use strict';
  var form = document.getElementById('forward');
  if (!form) return;
  var once = 'jy-' + form.dataset.order;
  try {
    // Who comes back by the browser's own button stays on this page.
    if (sessionStorage.getItem(once)) return;
    sessionStorage.setItem(once, '1');
  } catch (none) {
    return;
  }
  form.submit();
})();
