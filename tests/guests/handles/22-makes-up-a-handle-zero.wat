;; attacks = [22]
;; does = "uses a handle that it was never given"
;; dies = "plugin-trap"
;; -- on-batch
(drop (call $len (i32.const 0)))
;; -- honest
(drop (call $len (local.get $of)))
