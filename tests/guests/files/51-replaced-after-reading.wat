;; attacks = [51]
;; does = "takes the place of an honest file when that was read and found to be the pinned one, before it is compiled"
;; file = "replaced-after-reading"
;; goes-on = "what was read once is what is compiled; what lies there now has another digest"
;; -- on-batch
(unreachable)
