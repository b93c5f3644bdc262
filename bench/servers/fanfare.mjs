throw new Error('not there yet')
