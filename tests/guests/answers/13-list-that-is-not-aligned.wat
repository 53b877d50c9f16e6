;; attacks = [13]
;; does = "returns a list of 64-bit words at an odd place"
;; dies = "plugin-trap"
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 4))
(i32.store (i32.const 1036) (i32.const 1))
