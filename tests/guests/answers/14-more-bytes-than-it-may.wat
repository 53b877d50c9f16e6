;; attacks = [14]
;; does = "returns twice as many bytes as one answer may have"
;; dies = "plugin-return-bytes"
;; -- on-batch
(drop (memory.grow (i32.const 4)))
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 0))
(i32.store (i32.const 1036) (i32.const 16384))
;; -- honest
(i64.store (i32.const 8192)
  (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $len))) (i64.const 1)))
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 8192))
(i32.store (i32.const 1036) (i32.const 1))
