;; attacks = [16]
;; does = "returns a set that is none of all, none and bits"
;; dies = "plugin-trap"
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 3))
