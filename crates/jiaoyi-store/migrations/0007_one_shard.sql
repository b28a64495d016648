-- What a device holds open is found in its own list, and a voucher by the slot of its line.
drop index pay_order_by_holder;
drop index voucher_by_order;
