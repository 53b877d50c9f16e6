;; attacks = [19]
;; does = "a sink that calls two records durable, and with the next two only one"
;; role = "sink"
;; dies = "plugin-contract"
;; -- on-batch
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064)
  (select (i64.const 2) (i64.const 1) (i64.eq (global.get $taken) (i64.const 2))))
;; -- honest
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064) (global.get $taken))
