;; attacks = [19]
;; does = "a sink that calls durable what it was never handed"
;; role = "sink"
;; dies = "plugin-contract"
;; -- on-batch
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064) (i64.const 1000))
;; -- honest
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064) (global.get $taken))
