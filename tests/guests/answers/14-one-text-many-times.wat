;; attacks = [14]
;; does = "returns a rejection whose code is a long text, again and again the same bytes: small in its memory, huge when copied"
;; dies = "plugin-return-bytes"
;; -- items
(data (i32.const 4096) "no")
;; -- on-batch
(local.set $len (i32.const 0))
(memory.fill (i32.const 40000) (i32.const 97) (i32.const 20000))
(loop $l
  (i32.store offset=8192 (local.get $len) (i32.const 0))
  (i32.store offset=8200 (local.get $len) (i32.const 40000))
  (i32.store offset=8204 (local.get $len) (i32.const 20000))
  (local.set $len (i32.add (local.get $len) (i32.const 16)))
  (br_if $l (i32.lt_u (local.get $len) (i32.const 8000))))
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 8192))
(i32.store (i32.const 1044) (i32.const 500))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 2))
