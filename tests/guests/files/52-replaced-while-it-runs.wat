;; attacks = [52]
;; does = "takes the place of an honest file while that plugin runs and fresh instances of it are made"
;; file = "replaced-while-it-runs"
;; goes-on = "a run has the plugins that it began with; what lies there now has another digest"
;; -- items
(global $calls (mut i32) (i32.const 0))
;; -- on-batch
(unreachable)
;; -- honest
(if (global.get $calls) (then (unreachable)))
(global.set $calls (i32.const 1))
