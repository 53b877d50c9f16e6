;; attacks = [16]
;; does = "returns a set that is none of all, none and bits"
;; dies = "plugin-trap"
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 3))
;; -- honest
(i64.store (i32.const 8192)
  (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $len))) (i64.const 1)))
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 8192))
(i32.store (i32.const 1036) (i32.const 1))
