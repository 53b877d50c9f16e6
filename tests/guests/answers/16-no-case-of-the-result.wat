;; attacks = [16]
;; does = "returns a result that is neither ok nor error"
;; dies = "plugin-trap"
;; -- on-batch
(i32.store8 (i32.const 1024) (i32.const 2))
