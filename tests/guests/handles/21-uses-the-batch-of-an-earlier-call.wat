;; attacks = [21]
;; does = "remembers the number of a batch and uses it in the next call, when it may stand for another"
;; goes-on = "a number is a name within one call: it stands for the batch of this call or for nothing"
;; -- items
(global $first (mut i32) (i32.const -1))
;; -- on-batch
(if (i32.eq (global.get $first) (i32.const -1)) (then (global.set $first (local.get $of))))
(if (i32.ne (call $len (global.get $first)) (local.get $len)) (then (unreachable)))
