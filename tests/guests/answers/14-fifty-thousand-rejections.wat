;; attacks = [14]
;; does = "returns fifty thousand rejections, as many as its memory holds, that all share the same few bytes"
;; dies = "plugin-return-bytes"
;; -- items
(data (i32.const 4096) "no")
;; -- on-batch
(local.set $len (i32.const 0))
(drop (memory.grow (i32.const 14)))
(loop $l
  (i32.store offset=73728 (local.get $len) (i32.const 0))
  (i32.store offset=73736 (local.get $len) (i32.const 4096))
  (i32.store offset=73740 (local.get $len) (i32.const 2))
  (local.set $len (i32.add (local.get $len) (i32.const 16)))
  (br_if $l (i32.lt_u (local.get $len) (i32.const 800000))))
(i32.store (i32.const 1040) (i32.const 73728))
(i32.store (i32.const 1044) (i32.const 50000))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 2))
